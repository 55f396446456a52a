/** @file Whether the files that a config names are there, and can be read. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { readPipelineScheduler } from '../../models/pipeline/pipeline-index.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { FaultDetail, Path } from '../config/source/fault.js';
import type { NamedFile } from '../config/source/named-files.js';
import { readPromptFile } from '../prompt-files/prompt-file.js';
import { rewardCheck } from '../prompt-files/read-prompts.js';

type FileFault = Omit<FaultDetail, 'path'>;

/**
 * Returns what is wrong with a file; undefined where it can be used, as far as can be seen without running anything.
 *
 * @param config that names it, where it is in order: prompts may ask for its rewards.
 */
export async function findFileFault(
  { path, name, leadsTo }: NamedFile,
  config?: Pick<ResolvedConfig, 'stages'>,
): Promise<FileFault | undefined> {
  if (leadsTo === 'made') return undefined;
  const wanted = leadsTo === 'either' ? 'a file or folder' : `a ${leadsTo}`;
  const found = await stat(name).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
  if (typeof found === 'string') {
    return {
      kind: 'bad-value',
      expected: `${wanted} that is there`,
      got: `${found} at ${name}`,
      nextStep:
        'Correct the path, which is relative to the file that holds it, or leave files out with --no-files.',
    };
  }
  const isFolder = found.isDirectory();
  if ((leadsTo === 'folder' && !isFolder) || (leadsTo === 'file' && isFolder)) {
    const got = `a ${isFolder ? 'folder' : 'file'} at ${name}`;
    return { kind: 'bad-value', expected: wanted, got, nextStep: 'Correct the path.' };
  }
  return contentFault(path, name, config);
}

/** The files that can be read without running them: prompts, and the index of a pipeline with its scheduler. */
async function contentFault(
  path: Path,
  name: string,
  config: Pick<ResolvedConfig, 'stages'> | undefined,
): Promise<FileFault | undefined> {
  const field = path.at(-1);
  try {
    if (field === 'pipeline') {
      await stat(join(name, 'model_index.json'));
      await readPipelineScheduler(name, () => {});
    }
    if (field === 'train' || field === 'heldOut' || (field === 'file' && path.includes('sources')))
      await readPromptFile(name, { comments: true, check: config ? rewardCheck(config) : () => undefined });
    return undefined;
  } catch (error) {
    const isNoPipeline = !(error instanceof TributaryError);
    return {
      kind: 'bad-value',
      expected: 'what can be read',
      got: isNoPipeline ? `no model_index.json in ${name}` : `"${error.message}"`,
      nextStep: isNoPipeline
        ? 'Name the folder of a pipeline, see docs/models.md.'
        : 'Correct what it names.',
    };
  }
}
