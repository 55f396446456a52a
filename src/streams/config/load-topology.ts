import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { lintTopology } from './lint-topology.js';
import type { ResolvedConfig } from './schema/topology-schema.js';
import { requireConfig } from './source/lint-sources.js';

/**
 * Reads the text of a config.
 *
 * Errors: TRIB_USAGE where the file cannot be read.
 */
export async function readConfigText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_USAGE',
      `config ${path}: expected a file that can be read, got ${cause.code ?? cause.message}. Name a YAML file, such as one under config/.`,
      { cause },
    );
  });
}

/**
 * Reads a topology from its file, with `--set` texts laid over it.
 *
 * Errors: TRIB_CONFIG with every fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadTopology(path: string, overrides: readonly string[] = []): Promise<ResolvedConfig> {
  return requireConfig(lintTopology(await readConfigText(path), path, { overrides }));
}
