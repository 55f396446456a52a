/** @file A pipeline folder with a policy merged into its weights, for programs that load no adapters, and as a base to train. */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type CopyOf, type FileContent, requireEmptyFolder, writeDirectoryAtomic } from '../files/atomic.js';
import { changedModelFiles } from '../graph/weights/changed-model-files.js';
import {
  type ComponentChanges,
  requireComponents,
  type WeightChange,
} from '../graph/weights/weight-change.js';
import { PICKLE } from '../networks/component-weights.js';
import { changedWeightFiles } from './changed-weight-files.js';
import { writeConvertedPipeline } from './converted-pipeline.js';
import { readPipelineFolder } from './pipeline-folder.js';
import { isOneFile } from './pipeline-source.js';

/** Other forms of the same weights: a loader that found them would load the base. */
const OTHER_WEIGHTS =
  /(\.(onnx|onnx_data|safetensors|msgpack|h5)|\.safetensors(\.\w+)?\.index(\.\w+)?\.json)$/;

/**
 * Writes a copy of a pipeline folder in which weights of the denoiser and of text encoders are changed. Other forms of a changed
 * component's weights are left out, as they would still be those of the base. A checkpoint in one file becomes such a folder. It
 * appears whole or not at all.
 *
 * Errors: TRIB_MODEL if it is no pipeline folder; TRIB_LORA if the changes do not fit; TRIB_USAGE if `out` holds files;
 * TRIB_FILE if a file cannot be read or written.
 */
export async function writeMergedPipeline(
  path: string,
  changes: ComponentChanges,
  out: string,
): Promise<void> {
  if (isOneFile(path)) {
    await writeConvertedPipeline(path, out, { changes });
    return;
  }
  await requireEmptyFolder(out);
  const { denoiser, textEncoders } = await readPipelineFolder(path);
  const { modelPath, network: architecture } = denoiser;
  const components = [{ component: denoiser.family.component, modelPath, architecture }, ...textEncoders];
  requireComponents(
    changes,
    components.map(({ component }) => component),
    path,
  );
  const written: (readonly [string, FileContent])[] = [];
  const replaced = new Set<string>();
  const changed = components.filter(({ component }) => component in changes);
  for (const component of changed) {
    const folder = relative(path, dirname(component.modelPath));
    const inFolder = (name: string) => join(folder, name).replaceAll('\\', '/');
    const made = await changedFiles(component, changes[component.component] ?? []);
    for (const name of made.replaced) replaced.add(inFolder(name));
    for (const [name, content] of Object.entries(made.files)) written.push([inFolder(name), content]);
  }
  const isReplaced = (name: string) =>
    replaced.has(name) ||
    (changed.some(({ component }) => name.startsWith(`${component}/`)) &&
      (OTHER_WEIGHTS.test(name) || PICKLE.test(name)));
  await writeDirectoryAtomic(out, {
    ...(await otherFiles(path, isReplaced)),
    ...Object.fromEntries(written),
  });
}

/** The files of a changed component, and the names of those that they replace. */
async function changedFiles(
  { modelPath, architecture }: { readonly modelPath: string; readonly architecture: unknown },
  changes: readonly WeightChange[],
): Promise<{ files: Readonly<Record<string, FileContent>>; replaced: ReadonlySet<string> }> {
  if (!architecture) return changedModelFiles(modelPath, changes);
  const files = await changedWeightFiles(modelPath, changes);
  return { files, replaced: new Set(Object.keys(files)) };
}

async function otherFiles(
  path: string,
  isReplaced: (name: string) => boolean,
): Promise<Record<string, CopyOf>> {
  const files: Record<string, CopyOf> = {};
  for (const found of await readdir(path, { recursive: true })) {
    const name = found.replaceAll('\\', '/');
    const file = join(path, found);
    if (!isReplaced(name) && (await stat(file)).isFile()) files[name] = { copyOf: file };
  }
  return files;
}
