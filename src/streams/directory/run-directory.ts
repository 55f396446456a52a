/**
 * @file The directory of a run:
 *
 *     config.yaml                       the config as resolved
 *     config.resumed.yaml               that of the newest resume, if it has other rounds
 *     metrics.jsonl, events.out.tfevents.tributary
 *     checkpoints/<complete rounds>/    the newest few
 *     best/                             the best policy so far: adapter, evaluation.json
 *     samples/round-<complete rounds>.png, samples/prompts.txt
 *     samples/trees-<round>.png, samples/trees-<round>.json
 *     report.html
 *     run.lock                          while a process works on the run
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Observable } from 'rxjs';
import { TributaryError } from '../../errors.js';
import { type FolderContent, writeFault, writeFileAtomic } from '../../models/files/atomic.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { RoundTrees } from '../messages/round-trees.js';
import type { Alarm, Evaluation, RoundMetrics } from '../messages/run-events.js';
import { isThere } from './adapter-path.js';
import { type BestPolicy, readBest, recoverBest, writeBest } from './best-policy.js';
import { shippedOf } from './checkpoint-files.js';
import {
  type Checkpoint,
  readCheckpoint,
  readNewestCheckpoint,
  writeCheckpoint,
} from './checkpoint-folder.js';
import type { MetricsLine } from './metrics-line.js';
import {
  appendMetrics,
  appendPicture,
  type DamagedLine,
  METRICS_FILES,
  readMetrics,
  rewriteMetrics,
  setAside,
} from './metrics-log.js';
import { restoreBest } from './restore-best.js';
import { BEAT_MS, LOCK_FILE, lockRun, type RunLock } from './run-lock.js';
import { readSamples, type SampleGrid, writeSamples } from './run-samples.js';
import {
  CONFIG_FILE,
  configFingerprint,
  damagedConfig,
  RESUMED_FILE,
  type ResumedConfig,
  resumedConfig,
  saveConfig,
  savedForm,
  saveResumedConfig,
} from './saved-config.js';
import { writeTrees } from './tree-files.js';

export interface RunDirectory {
  readonly path: string;
  /** What to run: the given config, with what a resumed run has planned where it says nothing else. */
  readonly config: ResolvedConfig;
  /** Whether a run was there. */
  readonly isResumed: boolean;
  /** Where a resumed run goes on; null if it starts from the beginning. */
  readonly checkpoint: Checkpoint | null;
  /** The last known time of work on the run, in seconds, as its figures say; 0 for a new run. */
  readonly elapsedSeconds: number;
  /** What was logged up to the checkpoint. */
  readonly history: readonly MetricsLine[];
  recordRound(metrics: RoundMetrics): Promise<void>;
  recordEvaluation(evaluation: Evaluation): Promise<void>;
  recordAlarm(alarm: Alarm): Promise<void>;
  /** Writes `checkpoints/<completeRounds>/` and returns its path. Record the figures of its rounds first. */
  saveCheckpoint(completeRounds: number, files: FolderContent): Promise<string>;
  /** Replaces `best/`. */
  saveBest(best: BestPolicy): Promise<void>;
  /** What `best/` holds; null if nothing. It may be of a round that a resumed run has yet to repeat. */
  readBest(): Promise<BestPolicy | null>;
  /** What `best/` of a resumed run holds, rebuilt if it is damaged; the base model if nothing better is left. */
  restoreBest(base: BestPolicy): Promise<BestPolicy>;
  /** Writes `samples/round-<completeRounds>.png` and returns its path. Every grid of a run has the same prompts. */
  saveSamples(completeRounds: number, grid: SampleGrid): Promise<string>;
  /** The grid of a round; says what is wrong where it is not whole. */
  readSamples(completeRounds: number): ReturnType<typeof readSamples>;
  /** Writes `samples/trees-<round>.png` and `.json`. */
  saveTrees(trees: RoundTrees, png: Uint8Array): Promise<void>;
  /** Writes any other file of the run atomically and returns its path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Lets another process work on the run. */
  release(): Promise<void>;
}

export interface RunDirectoryOptions {
  readonly config: ResolvedConfig;
  /** Default: `runs/<name of the config>`. */
  readonly path?: string | undefined;
  readonly resume: boolean;
  /** Takes warnings, such as of damaged checkpoints. */
  readonly warn: (message: string) => void;
  readonly now?: () => Date;
  /** Whether to take the run from a process that no longer answers; see `lockRun`. */
  readonly takeOver?: boolean;
  /** When to refresh the lock. Default: every 10 seconds; this alone does not keep the process alive. */
  readonly beat$?: Observable<unknown>;
}

const everyBeat$ = new Observable((subscriber) => {
  const timer = setInterval(() => subscriber.next(undefined), BEAT_MS).unref();
  return () => clearInterval(timer);
});

/** Returns the directory of a run. */
export const runPathOf = ({ name }: ResolvedConfig, path: string | undefined) => path ?? join('runs', name);

/** Whether there is a run that can be resumed. */
export function holdsRun(config: ResolvedConfig, path: string | undefined): Promise<boolean> {
  return isThere(join(runPathOf(config, path), CONFIG_FILE));
}

/**
 * Makes the directory of a new run, or opens that of a run to resume: the newest whole checkpoint is read, and the log after
 * it is cut off, because it will happen again.
 *
 * A run that ended before it measured anything, say because a model file was missing, is started over.
 *
 * Errors: TRIB_USAGE if a new run's directory is not empty, the run to resume does not exist, or another process works on
 * it; TRIB_CHECKPOINT if the run to resume, or its checkpoint, has another config, or more complete rounds than the config
 * asks for, or where another version began the run; TRIB_FILE where nothing can
 * be written. The methods fail with TRIB_FILE; those that record or save, with TRIB_USAGE where another process has taken the
 * run over.
 */
export async function openRunDirectory(options: RunDirectoryOptions): Promise<RunDirectory> {
  const { config, resume, now = () => new Date(), takeOver = false, beat$ = everyBeat$ } = options;
  const path = runPathOf(config, options.path);
  const begun = resume
    ? await resumedConfig(path, config)
    : { config, saved: savedForm(config), hasOtherRounds: false };
  if (!resume) await makeRunDirectory(path);
  const lock = await lockRun(path, now(), { takeOver, beat$ });
  try {
    return await openLocked(options, begun, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openLocked(
  { path: wanted, resume, warn, now = () => new Date() }: RunDirectoryOptions,
  begun: ResumedConfig,
  lock: RunLock,
): Promise<RunDirectory> {
  const { config, saved } = begun;
  const path = runPathOf(config, wanted);
  const checkpointsPath = join(path, 'checkpoints');
  const damage = typeof saved === 'string' ? saved : null;
  const fingerprint = configFingerprint(typeof saved === 'string' ? savedForm(config) : saved);
  const checkpoint = resume ? await readNewestCheckpoint(checkpointsPath, fingerprint, warn) : null;
  const completeRounds = checkpoint?.completeRounds ?? 0;
  const { lines, damaged } = await readMetrics(path);
  if (resume) {
    requireRoundsToCome(path, begun, completeRounds, lines);
    if (damage !== null) {
      if (checkpoint === null) throw damagedConfig(path, damage);
      // Its fingerprint says that the run was begun with this config.
      await saveConfig(path, config);
      warn(
        `${join(path, CONFIG_FILE)}: expected the config of the run, got ${damage}. It is written again: the checkpoint is of this config.`,
      );
    }
    if (checkpoint === null)
      warn(`${path}: expected a checkpoint, got none. The run starts from the beginning.`);
  } else {
    await saveConfig(path, config);
  }
  await saveResumedConfig(path, begun);
  await recoverBest(path);
  if (damaged.length > 0) warn(damagedLines(path, damaged, await setAside(path, damaged)));
  const history = lines.filter(({ kind, round }) =>
    kind === 'round' ? round < completeRounds : checkpoint !== null && round <= completeRounds,
  );
  await rewriteMetrics(path, history, now(), config);
  const write = async (name: string, content: string | Uint8Array) => {
    await writeFileAtomic(join(path, name), content);
    return join(path, name);
  };
  const record = async (line: MetricsLine) => {
    await lock.requireHeld();
    await appendMetrics(path, line, config);
  };
  return {
    path,
    config,
    isResumed: resume,
    checkpoint,
    history,
    elapsedSeconds: history.reduce(
      (most, line) => (line.kind === 'round' ? Math.max(most, line.elapsedSeconds) : most),
      0,
    ),
    recordRound: (metrics) => record({ kind: 'round', time: now().toISOString(), ...metrics }),
    recordEvaluation: (evaluation) =>
      record({ kind: 'evaluation', time: now().toISOString(), ...evaluation }),
    recordAlarm: (alarm) => record({ kind: 'alarm', time: now().toISOString(), ...alarm }),
    async saveCheckpoint(complete, files) {
      await lock.requireHeld();
      return writeCheckpoint(
        checkpointsPath,
        { completeRounds: complete, fingerprint, files },
        config.checkpoints.keep,
      );
    },
    async saveBest(best) {
      await lock.requireHeld();
      await writeBest(path, best);
    },
    readBest: () => readBest(path),
    restoreBest: (base) =>
      restoreBest({
        runPath: path,
        evaluations: lines.filter((line) => line.kind === 'evaluation'),
        base,
        async policyAfter(complete) {
          const read = await readCheckpoint(join(checkpointsPath, String(complete)));
          return 'damage' in read || read.fingerprint !== fingerprint ? null : shippedOf(read.files);
        },
        warn,
      }),
    async saveSamples(complete, grid) {
      const written = await writeSamples(path, complete, grid);
      await appendPicture(path, { step: complete, wallTime: now().getTime() / 1000, png: grid.png });
      return written;
    },
    readSamples: (complete) => readSamples(path, complete),
    saveTrees: (trees, png) => writeTrees(path, trees, png),
    write,
    release: lock.release,
  };
}

/** A run ends with an evaluation; one that has passed the wanted end without it has no outcome. */
function requireRoundsToCome(
  path: string,
  { config, hasOtherRounds }: ResumedConfig,
  completeRounds: number,
  lines: readonly MetricsLine[],
): void {
  const { name, numRounds } = stageOf(config, 'prompts');
  const isMeasured = lines.some(({ kind, round }) => kind === 'evaluation' && round === completeRounds);
  if (numRounds > completeRounds) return;
  if (numRounds === completeRounds && (isMeasured || !hasOtherRounds)) return;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run directory ${path} stages.${name}.numRounds: expected more than the ${completeRounds} rounds that are complete, got ${numRounds}. Give a higher number with --set stages.${name}.numRounds=<rounds>, or start anew with another --run-dir.`,
  );
}

/** A warning about lines that the log lost, the first few by number. */
function damagedLines(path: string, damaged: readonly DamagedLine[], keptAt: string): string {
  const named = damaged.slice(0, 3).map(({ number, damage }) => `line ${number} (${damage})`);
  const more = damaged.length > named.length ? ` and ${damaged.length - named.length} more` : '';
  const them = damaged.length === 1 ? 'It is' : 'They are';
  return `${join(path, METRICS_FILES[0])}: expected whole lines of figures, got ${damaged.length} that cannot be used: ${named.join(', ')}${more}. ${them} set aside in ${keptAt}; guards, report and elapsed time use the others.`;
}

/** The files of a run before its first figures. */
const FIRST_FILES = [CONFIG_FILE, RESUMED_FILE, LOCK_FILE, ...METRICS_FILES];

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    // With `recursive`, Node reports ENOENT for a read-only file system; without, EROFS.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(path);
  }
}

async function makeRunDirectory(path: string): Promise<void> {
  try {
    await makeFolder(path);
    const found = await readdir(path);
    if (found.every((name) => FIRST_FILES.includes(name)) && (await readMetrics(path)).lines.length === 0)
      return;
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : writeFault(path, cause);
  }
  const isRun = await isThere(join(path, CONFIG_FILE));
  throw new TributaryError(
    'TRIB_USAGE',
    isRun
      ? `run directory ${path}: expected a new run, got one that exists. Continue it with --resume, or choose another with --run-dir.`
      : `run directory ${path}: expected an empty folder, got one with files. Choose another with --run-dir.`,
  );
}
