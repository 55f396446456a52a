/** @file A pipeline folder with an adapter in its weights: what loads no adapters can use it, and another one can be trained. */
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { TributaryError } from '../../errors.js';
import type { LoraLayer } from '../adapters/lora-layer.js';
import { type CopyOf, requireEmptyFolder, writeDirectoryAtomic } from '../files/atomic.js';
import { mergeLora } from '../graph/merge-lora.js';
import { readModelFile } from '../graph/model-file.js';
import { type PipelineFolder, readPipelineFolder } from './pipeline-folder.js';

/**
 * Writes a pipeline folder whose UNet is the given one with the adapter merged into its weights. All other files are copied
 * as they are; a UNet in float16 becomes float32. The folder appears whole or not at all.
 *
 * Errors: TRIB_MODEL if it is no pipeline folder, or its UNet is not one ONNX file; TRIB_LORA if the adapter does not fit (see `mergeLora`); TRIB_USAGE if
 * `out` holds files; TRIB_FILE if it cannot be written.
 */
export async function writeMergedPipeline(
  path: string,
  layers: readonly LoraLayer[],
  out: string,
): Promise<void> {
  await requireEmptyFolder(out);
  const { unet } = await readPipelineFolder(path);
  const merged = mergeLora(await readUnet(unet), layers, unet.modelPath);
  const unetFile = relative(path, unet.modelPath).replaceAll('\\', '/');
  await writeDirectoryAtomic(out, { ...(await otherFiles(path, unetFile)), [unetFile]: merged });
}

async function otherFiles(path: string, unetFile: string): Promise<Record<string, CopyOf>> {
  const files: Record<string, CopyOf> = {};
  for (const found of await readdir(path, { recursive: true })) {
    const name = found.replaceAll('\\', '/');
    const file = join(path, found);
    if (name !== unetFile && (await stat(file)).isFile()) files[name] = { copyOf: file };
  }
  return files;
}

async function readUnet({ modelPath, architecture }: PipelineFolder['unet']): Promise<Uint8Array> {
  const instead = 'Load the adapter beside the model, or merge it with diffusers (`fuse_lora`).';
  if (architecture) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${modelPath}: expected an ONNX graph to merge into, got the weights of a diffusers folder. ${instead}`,
    );
  }
  const { bytes, externalData, stored } = await readModelFile(modelPath);
  if (externalData.size + stored.size === 0) return bytes;
  throw new TributaryError(
    'TRIB_MODEL',
    `${modelPath}: expected its weights inside the file, got ${externalData.size + stored.size} of them outside. ${instead}`,
  );
}
