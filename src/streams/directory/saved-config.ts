/** @file `config.yaml` of a run directory: the config that the run began with, and what a resume may change of it. */

import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { isPackageName, packageFile, packageNameOf } from '../../own-package.js';
import { withRounds } from '../config/resolved/rounds.js';
import { stageOf } from '../config/resolved/stage-of.js';
import { type ResolvedConfig, topologySchema } from '../config/schema/topology-schema.js';
import { firstDifference } from '../config/source/first-difference.js';
import { mapFiles } from '../config/source/named-files.js';
import { isMapping } from '../config/source/value-tree.js';
import { isThere } from './adapter-path.js';
import { otherVersion, RUN_VERSION } from './run-version.js';

export const CONFIG_FILE = 'config.yaml';
/** The config of the newest resume, where the rounds are no longer those that the run began with. */
export const RESUMED_FILE = 'config.resumed.yaml';

/** All that a resume may change, with a stage named by its type; docs/operations.md says what each does. */
export const MAY_CHANGE_AT_RESUME = [
  'checkpoints',
  'transport',
  'telemetry',
  'engine.threads',
  'engine.sessionThreads',
  'stages.prompts.numRounds',
  'stages.prompts.plannedRounds',
  'stages.gateway.serve',
] as const;

/** Returns what of a config must be as it was when the run began. */
function comparable(config: object): unknown {
  const plain: unknown = JSON.parse(JSON.stringify(config));
  return MAY_CHANGE_AT_RESUME.reduce((left, setting) => without(left, setting.split('.')), plain);
}

function without(value: unknown, [wanted, ...inside]: readonly string[], areStages = false): unknown {
  if (!isMapping(value)) return value;
  const entries = Object.entries(value).flatMap(([key, inner]) => {
    const isMeant = areStages ? isMapping(inner) && inner.type === wanted : key === wanted;
    if (!isMeant) return [[key, inner]];
    return inside.length === 0 ? [] : [[key, without(inner, inside, key === 'stages')]];
  });
  return Object.fromEntries(entries);
}

/**
 * Names the config that a run began with. Checkpoints carry it. The number of rounds counts as it was planned, so that the
 * name can be found again from the config of a run that was lengthened.
 */
export function configFingerprint(config: object): string {
  const begun = withRounds(config, ({ numRounds, plannedRounds = numRounds }) => ({
    numRounds: plannedRounds,
  }));
  return createHash('sha256')
    .update(JSON.stringify({ ...begun, checkpoints: undefined, transport: undefined, telemetry: undefined }))
    .digest('hex');
}

/** A config without settings that have come since has their defaults. */
export function withDefaults(saved: object): object {
  const parsed = topologySchema.safeParse(saved);
  return parsed.success ? parsed.data : saved;
}

/** Returns a config as it is saved, with names of files that lead to the same ones from any working directory. */
export function savedForm(config: ResolvedConfig): ResolvedConfig {
  return mapFiles(topologySchema, config, (file) => packageNameOf(file) ?? resolve(file));
}

/** Returns a config with the places of its files; in runs of earlier versions names were relative to the working directory. */
export function withPlaces(config: object): object {
  return mapFiles(topologySchema, config, (name) =>
    isPackageName(name) ? (packageFile(name) ?? name) : resolve(name),
  );
}

/** Writes the config of a run. Errors: TRIB_FILE. */
export function saveConfig(runPath: string, config: ResolvedConfig): Promise<void> {
  return writeFileAtomic(join(runPath, CONFIG_FILE), stringify(savedForm(config)));
}

/** Records a config with other rounds than the run began with. Errors: TRIB_FILE. */
export async function saveResumedConfig(
  runPath: string,
  { config, hasOtherRounds }: ResumedConfig,
): Promise<void> {
  const path = join(runPath, RESUMED_FILE);
  if (hasOtherRounds) await writeFileAtomic(path, stringify(savedForm(config)));
  else await rm(path, { force: true });
}

/** Returns the path of the config that a run directory was last worked on with. */
export async function newestConfigPath(runPath: string): Promise<string> {
  const resumed = join(runPath, RESUMED_FILE);
  return (await isThere(resumed)) ? resumed : join(runPath, CONFIG_FILE);
}

/** What lies in a run directory: the settings as saved, those of another version, a file that is damaged, or nothing. */
type SavedConfig =
  | { readonly state: 'whole'; readonly settings: object }
  | { readonly state: 'other-version'; readonly fault: TributaryError }
  | { readonly state: 'damaged'; readonly damage: string }
  | { readonly state: 'absent' };

/** Reads a config of a run directory, by default the one that it began with. Errors: those of the file system. */
export async function readSavedConfig(runPath: string, file = CONFIG_FILE): Promise<SavedConfig> {
  const path = join(runPath, file);
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

/** What a run goes on with. */
export interface ResumedConfig {
  /** The given config, with what the run has planned where it says nothing else. */
  readonly config: ResolvedConfig;
  /** As saved; or what is wrong with a file that is no config: then a checkpoint's fingerprint has to be compared. */
  readonly saved: object | string;
  /** Whether its rounds, or those it is planned for, are not those that the run began with. */
  readonly hasOtherRounds: boolean;
}

/**
 * Compares a config with that of the run to resume. What was planned over the rounds of the run keeps its length, unless
 * the config gives it another.
 *
 * Errors: TRIB_USAGE where no run is there; TRIB_CHECKPOINT where the configs differ in what a resume may not change,
 * naming the setting, or where another version began the run.
 */
export async function resumedConfig(path: string, config: ResolvedConfig): Promise<ResumedConfig> {
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
  if (saved.state === 'damaged') return { config, saved: saved.damage, hasOtherRounds: false };
  const begun = topologySchema.safeParse(saved.settings);
  const difference = firstDifference(
    comparable(withPlaces(begun.data ?? saved.settings)),
    comparable(withPlaces(config)),
  );
  if (!difference)
    return begun.success
      ? { ...keepPlan(config, begun.data), saved: saved.settings }
      : { config, saved: 'settings that this program does not have', hasOtherRounds: false };
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run directory ${path} ${difference.path}: expected ${difference.left} as when the run began, got ${difference.right}. Restore it, or start anew with another --run-dir; \`model.startFrom\` takes along what a checkpoint of this run has learned.`,
  );
}

/** Gives a config the planned rounds of the run that it resumes, unless it states its own. */
function keepPlan(config: ResolvedConfig, begun: ResolvedConfig): Omit<ResumedConfig, 'saved'> {
  const before = stageOf(begun, 'prompts');
  const plannedBefore = before.plannedRounds ?? before.numRounds;
  const { numRounds, plannedRounds = plannedBefore } = stageOf(config, 'prompts');
  const rounds = plannedRounds === numRounds ? { numRounds } : { numRounds, plannedRounds };
  return {
    config: withRounds(config, () => rounds),
    hasOtherRounds: numRounds !== before.numRounds || plannedRounds !== plannedBefore,
  };
}

/** The fault of a damaged config without a checkpoint to compare. */
export function damagedConfig(path: string, damage: string): TributaryError {
  return new TributaryError(
    'TRIB_CHECKPOINT',
    `${join(path, CONFIG_FILE)}: expected the config of the run, got ${damage}, and no whole checkpoint tells whether this config is the same. Restore the file, or start anew with another --run-dir.`,
  );
}
