/** @file `config.yaml` of a run directory: the config as the run began with it, which a resumed run must have. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { LARGEST_MAGNITUDE } from '../../operators/records/reward-fault.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { firstDifference } from '../config/source/first-difference.js';

export const CONFIG_FILE = 'config.yaml';

/** Settings that configs of older programs lack, with the values that compute what those programs did. */
const ADDED: ReadonlyMap<string, unknown> = new Map([
  ['maxMagnitude', LARGEST_MAGNITUDE],
  ['drawsPerUpdate', 1],
  ['batchesPerStep', 1],
]);

/**
 * Returns what of a config must be as it was when the run began. A run may be saved more or less often, and go on over another
 * transport. A setting that is newer than the run, and changes nothing, is left out of both.
 */
export function comparable(config: object): object {
  const shared = { ...config, checkpoints: undefined, transport: undefined };
  return JSON.parse(JSON.stringify(shared, (key, value) => (ADDED.get(key) === value ? undefined : value)));
}

/** Writes the config of a run. **Errors**: TRIB_FILE. */
export function saveConfig(runPath: string, config: ResolvedConfig): Promise<void> {
  return writeFileAtomic(join(runPath, CONFIG_FILE), stringify(config));
}

/** What lies in a run directory: the settings as saved, a file that is damaged, or nothing. */
export type SavedConfig =
  | { readonly state: 'whole'; readonly settings: object }
  | { readonly state: 'damaged'; readonly damage: string }
  | { readonly state: 'absent' };

/** Reads the config of a run directory, which may be older than a setting. **Errors**: those of the file system. */
export async function readSavedConfig(runPath: string): Promise<SavedConfig> {
  const text = await readFile(join(runPath, CONFIG_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return { state: 'absent' };
  let settings: unknown;
  try {
    settings = parse(text, { logLevel: 'error' });
  } catch {
    return { state: 'damaged', damage: 'text that is not YAML' };
  }
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings))
    return { state: 'whole', settings };
  return { state: 'damaged', damage: text.trim() === '' ? 'an empty file' : 'text that is no mapping' };
}

/**
 * Compares a config with that of the run to resume. Returns null where they agree, or what is wrong with a file that cannot
 * be read as a config: then the fingerprint of a checkpoint must tell.
 *
 * **Errors**: TRIB_USAGE where no run is there; TRIB_CHECKPOINT where the configs differ, naming the setting.
 */
export async function requireSameConfig(path: string, config: ResolvedConfig): Promise<string | null> {
  const noRun = (got: string) =>
    new TributaryError(
      'TRIB_USAGE',
      `run directory ${path}: expected a run to resume, got ${got}. Leave --resume out to start it.`,
    );
  const saved = await readSavedConfig(path).catch((cause: NodeJS.ErrnoException) => {
    throw noRun(cause.code ?? cause.message);
  });
  if (saved.state === 'absent') throw noRun(`no ${CONFIG_FILE} there`);
  if (saved.state === 'damaged') return saved.damage;
  const difference = firstDifference(comparable(saved.settings), comparable(config));
  if (!difference) return null;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run directory ${path} ${difference.path}: expected ${difference.left} as when the run began, got ${difference.right}. Restore it, or start anew with another --run-dir.`,
  );
}

/** The fault of a config that is damaged, where no checkpoint tells what it was. */
export function damagedConfig(path: string, damage: string): TributaryError {
  return new TributaryError(
    'TRIB_CHECKPOINT',
    `${join(path, CONFIG_FILE)}: expected the config of the run, got ${damage}, and no whole checkpoint tells whether this config is the same. Restore the file, or start anew with another --run-dir.`,
  );
}
