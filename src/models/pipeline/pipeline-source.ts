/** @file Where the parts of a pipeline lie: in a folder, or all in one file. */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { type Checkpoint, impliedFile, readCheckpoint } from '../checkpoint/read-checkpoint.js';
import type { JsonFile } from '../files/json-file.js';
import { EXPORT, PICKLE, pickleFault } from '../networks/component-weights.js';
import { type Announced, type ComponentFile, componentFile, NOTHING_ANNOUNCED } from './component-file.js';
import { requireNoOther } from './no-pipeline.js';
import type { TokenizerSource } from './tokenizers/tokenizer.js';

/** Whether a path is that of a checkpoint in one file, rather than of a folder. */
export const isOneFile = (path: string): boolean =>
  path.endsWith('.safetensors') && statSync(path, { throwIfNoEntry: false })?.isFile() === true;

export interface PipelineSource {
  /** What a one-file checkpoint leaves open and how it was decided, a sentence each. */
  readonly notes: readonly string[];
  /** A JSON file by its name in the folder. */
  json(name: string): JsonFile;
  hasPart(name: string): Promise<boolean>;
  /** A network, as `componentFile` finds it. */
  network(name: string, weightsBase: string): Promise<ComponentFile>;
  tokenizer(name: string): Promise<TokenizerSource>;
}

/**
 * Opens a pipeline: a folder, or a checkpoint in one safetensors file.
 *
 * Errors: TRIB_MODEL if it is neither; as `readCheckpoint`.
 * @param announced files of the folder that need not be there yet.
 */
export async function openPipelineSource(
  path: string,
  announced: Announced = NOTHING_ANNOUNCED,
): Promise<PipelineSource> {
  const stats = await statOrNull(path);
  if (stats?.isFile() && PICKLE.test(path)) throw pickleFault(path);
  if (isOneFile(path)) return ofCheckpoint(await readCheckpoint(path));
  await requireNoOther(path);
  if (stats === null && path.endsWith('.safetensors')) {
    const text = `${path}: expected a checkpoint in one file, got no such file. Correct the path.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  await requireFolder(path, 'a pipeline folder, or a checkpoint in one .safetensors file');
  return {
    notes: [],
    json: (name) => join(path, name),
    hasPart: async (name) =>
      (await statOrNull(join(path, name))) !== null ||
      [...announced].some((file) => file === name || file.startsWith(`${name}/`)),
    network: (name, weightsBase) => componentFile(path, name, weightsBase, announced),
    async tokenizer(name) {
      await requireFolder(join(path, name), "a folder with the tokenizer's vocabulary");
      return join(path, name);
    },
  };
}

/** A checkpoint as if it lay in a folder. */
export function ofCheckpoint(checkpoint: Checkpoint): PipelineSource {
  const { path, parts, padTokens, notes } = checkpoint;
  return {
    notes,
    json: (name) => impliedFile(checkpoint, name),
    hasPart: async (name) => parts.has(name),
    async network(name) {
      const part = parts.get(name);
      if (part)
        return {
          modelPath: part.path,
          configPath: impliedFile(checkpoint, `${name}/config.json`),
          views: part.views,
        };
      throw new TributaryError('TRIB_INTERNAL', `${path}: expected a part ${name}, got none. Look it up.`);
    },
    tokenizer: async (name) => ({ padToken: padTokens.get(name) ?? '' }),
  };
}

async function requireFolder(path: string, what: string): Promise<void> {
  const stats = await statOrNull(path);
  if (stats?.isDirectory()) return;
  const got = stats === null ? 'no such folder' : 'a file';
  throw new TributaryError('TRIB_MODEL', `${path}: expected ${what}, got ${got}. ${EXPORT}`);
}

async function statOrNull(path: string) {
  return stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return null;
    const text = `${path}: expected to read it, got ${cause.code}. Check the path and its permissions.`;
    throw new TributaryError('TRIB_MODEL', text, { cause });
  });
}
