/** @file `config.yaml` of a run directory: the config that the run began with, and must be resumed with. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { type ResolvedConfig, topologySchema } from '../config/schema/topology-schema.js';
import { firstDifference } from '../config/source/first-difference.js';
import { otherVersion, RUN_VERSION } from './run-version.js';

export const CONFIG_FILE = 'config.yaml';

/** A run may change how often it is saved, and its transport. */
const lasting = (config: object): object => ({ ...config, checkpoints: undefined, transport: undefined });

/** Returns what of a config must be as it was when the run began: what lasts, but for the number of threads. */
function comparable(config: Pick<ResolvedConfig, 'engine'> | object): object {
  const engine = 'engine' in config && { ...config.engine, threads: undefined, sessionThreads: undefined };
  return JSON.parse(JSON.stringify({ ...lasting(config), engine }));
}

/** Names the config that a run began with. Checkpoints carry it. */
export function configFingerprint(config: object): string {
  return createHash('sha256')
    .update(JSON.stringify(lasting(config)))
    .digest('hex');
}

/** A config without settings that have come since has their defaults. */
export function withDefaults(saved: object): object {
  const parsed = topologySchema.safeParse(saved);
  return parsed.success ? parsed.data : saved;
}

/** Writes the config of a run. Errors: TRIB_FILE. */
export function saveConfig(runPath: string, config: ResolvedConfig): Promise<void> {
  return writeFileAtomic(join(runPath, CONFIG_FILE), stringify(config));
}

/** What lies in a run directory: the settings as saved, those of another version, a file that is damaged, or nothing. */
type SavedConfig =
  | { readonly state: 'whole'; readonly settings: object }
  | { readonly state: 'other-version'; readonly fault: TributaryError }
  | { readonly state: 'damaged'; readonly damage: string }
  | { readonly state: 'absent' };

/** Reads the config of a run directory. Errors: those of the file system. */
export async function readSavedConfig(runPath: string): Promise<SavedConfig> {
  const path = join(runPath, CONFIG_FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
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
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings)) {
    const version = 'version' in settings ? settings.version : undefined;
    if (version === RUN_VERSION) return { state: 'whole', settings };
    const got = version === undefined ? 'nothing' : JSON.stringify(version);
    return { state: 'other-version', fault: otherVersion(`${path} version`, got) };
  }
  return { state: 'damaged', damage: text.trim() === '' ? 'an empty file' : 'text that is no mapping' };
}

/**
 * Compares a config with that of the run to resume. Returns the one that the run began with, or
 * what is wrong with a file that is no config: then a checkpoint's fingerprint has to be compared.
 *
 * Errors: TRIB_USAGE where no run is there; TRIB_CHECKPOINT where the configs differ, naming
 * the setting, or where another version began the run.
 */
export async function requireSameConfig(path: string, config: ResolvedConfig): Promise<object | string> {
  const noRun = (got: string) =>
    new TributaryError(
      'TRIB_USAGE',
      `run directory ${path}: expected a run to resume, got ${got}. Omit --resume to start it.`,
    );
  const saved = await readSavedConfig(path).catch((cause: NodeJS.ErrnoException) => {
    throw noRun(cause.code ?? cause.message);
  });
  if (saved.state === 'absent') throw noRun(`no ${CONFIG_FILE} there`);
  if (saved.state === 'other-version') throw saved.fault;
  if (saved.state === 'damaged') return saved.damage;
  const difference = firstDifference(comparable(withDefaults(saved.settings)), comparable(config));
  if (!difference) return saved.settings;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run directory ${path} ${difference.path}: expected ${difference.left} as when the run began, got ${difference.right}. Restore it, or start anew with another --run-dir.`,
  );
}

/** The fault of a damaged config without a checkpoint to compare. */
export function damagedConfig(path: string, damage: string): TributaryError {
  return new TributaryError(
    'TRIB_CHECKPOINT',
    `${join(path, CONFIG_FILE)}: expected the config of the run, got ${damage}, and no whole checkpoint tells whether this config is the same. Restore the file, or start anew with another --run-dir.`,
  );
}
