/**
 * @file The directory of a run:
 *
 *     config.yaml                       the config as resolved
 *     metrics.jsonl, events.out.tfevents.tributary
 *     checkpoints/<complete stages>/    the newest few
 *     best/                             the best policy so far: adapter, evaluation.json
 *     samples/stage-<complete stages>.png, samples/prompts.txt
 *     report.html
 *     run.lock                          while a process works on the run
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { TributaryError } from '../errors.js';
import { type FolderContent, writeFault, writeFileAtomic } from '../models/files/atomic.js';
import { type BestPolicy, readBest, writeBest } from './best-policy.js';
import { type Checkpoint, readNewestCheckpoint, writeCheckpoint } from './checkpoint-folder.js';
import type { ResolvedConfig } from './config/topology-schema.js';
import { firstDifference } from './first-difference.js';
import {
  appendMetrics,
  METRICS_FILES,
  type MetricsLine,
  readMetrics,
  rewriteMetrics,
} from './metrics-log.js';
import type { Alarm, Evaluation, StageMetrics } from './run-events.js';
import { LOCK_FILE, lockRun } from './run-lock.js';

/** Pictures of one policy from fixed noise. */
export interface SampleGrid {
  readonly png: Uint8Array;
  /** One prompt a row of the grid, in order. */
  readonly prompts: readonly string[];
}

export interface RunDirectory {
  readonly path: string;
  /** Whether a run was there. */
  readonly isResumed: boolean;
  /** Where a resumed run goes on; null where it starts from the beginning. */
  readonly checkpoint: Checkpoint | null;
  /** The last known time of work on the run, in seconds, as its figures say; 0 for a new run. */
  readonly elapsedSeconds: number;
  /** What was logged up to the checkpoint. */
  readonly history: readonly MetricsLine[];
  recordStage(metrics: StageMetrics): Promise<void>;
  recordEvaluation(evaluation: Evaluation): Promise<void>;
  recordAlarm(alarm: Alarm): Promise<void>;
  /** Writes `checkpoints/<completeStages>/` and returns its path; record the figures of a stage before. */
  saveCheckpoint(completeStages: number, files: FolderContent): Promise<string>;
  /** Replaces `best/`. */
  saveBest(best: BestPolicy): Promise<void>;
  /** What `best/` holds; null where that is nothing. It may be of a stage that a resumed run has still to repeat. */
  readBest(): Promise<BestPolicy | null>;
  /** Writes `samples/stage-<completeStages>.png` and returns its path. Every grid of a run has the same prompts. */
  saveSamples(completeStages: number, grid: SampleGrid): Promise<string>;
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
  /** Hears of damaged checkpoints that are passed over. */
  readonly warn: (message: string) => void;
  readonly now?: () => Date;
}

const CONFIG_FILE = 'config.yaml';

const pathOf = ({ name }: ResolvedConfig, path: string | undefined) => path ?? join('runs', name);

/** Whether there is a run that can be resumed. */
export function holdsRun(config: ResolvedConfig, path: string | undefined): Promise<boolean> {
  return access(join(pathOf(config, path), CONFIG_FILE)).then(
    () => true,
    () => false,
  );
}

/**
 * Makes the directory of a new run, or opens that of a run to resume: the newest whole checkpoint is read, and what was
 * logged after it is cut off, because it will happen again.
 *
 * A run that ended before it had measured anything, for want of a model file say, is begun anew.
 *
 * **Errors**: TRIB_USAGE where a new run's directory is not empty, the run to resume is not there, or another process is
 * at work on it; TRIB_CHECKPOINT
 * where the run to resume, or its checkpoint, has another config; TRIB_FILE where nothing can be written. The methods
 * fail with TRIB_FILE.
 */
export async function openRunDirectory(options: RunDirectoryOptions): Promise<RunDirectory> {
  const { config, resume, warn, now = () => new Date() } = options;
  const path = pathOf(config, options.path);
  const checkpointsPath = join(path, 'checkpoints');
  const fingerprint = configFingerprint(config);
  let checkpoint: Checkpoint | null = null;
  if (resume) await requireSameConfig(path, config);
  else await makeRunDirectory(path);
  const release = await lockRun(path, now());
  if (resume) {
    checkpoint = await readNewestCheckpoint(checkpointsPath, fingerprint, warn);
    if (checkpoint === null)
      warn(`${path}: expected a checkpoint, got none. The run starts from the beginning.`);
  } else {
    await writeFileAtomic(join(path, CONFIG_FILE), stringify(config));
  }
  const completeStages = checkpoint?.completeStages ?? 0;
  const history = (await readMetrics(path)).filter(({ kind, trainingStage }) =>
    kind === 'stage'
      ? trainingStage < completeStages
      : checkpoint !== null && trainingStage <= completeStages,
  );
  await rewriteMetrics(path, history, now());
  const write = async (name: string, content: string | Uint8Array) => {
    await writeFileAtomic(join(path, name), content);
    return join(path, name);
  };
  return {
    path,
    isResumed: resume,
    checkpoint,
    history,
    elapsedSeconds: history.reduce(
      (most, line) => (line.kind === 'stage' ? Math.max(most, line.elapsedSeconds) : most),
      0,
    ),
    recordStage: (metrics) => appendMetrics(path, { kind: 'stage', time: now().toISOString(), ...metrics }),
    recordEvaluation: (evaluation) =>
      appendMetrics(path, { kind: 'evaluation', time: now().toISOString(), ...evaluation }),
    recordAlarm: (alarm) => appendMetrics(path, { kind: 'alarm', time: now().toISOString(), ...alarm }),
    saveCheckpoint: (complete, files) =>
      writeCheckpoint(
        checkpointsPath,
        { completeStages: complete, fingerprint, files },
        config.checkpoints.keep,
      ),
    saveBest: (best) => writeBest(path, best),
    readBest: () => readBest(path),
    async saveSamples(complete, { png, prompts }) {
      await write(join('samples', 'prompts.txt'), `${prompts.join('\n')}\n`);
      return write(join('samples', `stage-${String(complete).padStart(4, '0')}.png`), png);
    },
    write,
    release,
  };
}

/** A run may be saved more or less often than it was, and go on over another transport; everything else must be as it was. */
function comparable({ checkpoints: _, transport: __, ...config }: ResolvedConfig) {
  return config;
}

/** Names what a run computes: equal fingerprints, equal runs. */
function configFingerprint(config: ResolvedConfig): string {
  return createHash('sha256')
    .update(JSON.stringify(comparable(config)))
    .digest('hex');
}

/** What lies in a run's directory before its first figures. */
const FIRST_FILES = [CONFIG_FILE, LOCK_FILE, ...METRICS_FILES];

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    // Node says ENOENT of a read-only file system when it makes parents too; asked for the one folder it says EROFS.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(path);
  }
}

async function makeRunDirectory(path: string): Promise<void> {
  try {
    await makeFolder(path);
    const found = await readdir(path);
    if (found.every((name) => FIRST_FILES.includes(name)) && (await readMetrics(path)).length === 0) return;
  } catch (cause) {
    throw writeFault(path, cause);
  }
  const isRun = await access(join(path, CONFIG_FILE)).then(
    () => true,
    () => false,
  );
  throw new TributaryError(
    'TRIB_USAGE',
    isRun
      ? `run directory ${path}: expected a new run, got one that is there. Continue it with --resume, or choose another with --run-dir.`
      : `run directory ${path}: expected an empty folder, got one with files. Choose another with --run-dir.`,
  );
}

async function requireSameConfig(path: string, config: ResolvedConfig): Promise<void> {
  const text = await readFile(join(path, CONFIG_FILE), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const got = cause.code === 'ENOENT' ? `no ${CONFIG_FILE} there` : (cause.code ?? cause.message);
    throw new TributaryError(
      'TRIB_USAGE',
      `run directory ${path}: expected a run to resume, got ${got}. Leave --resume out to start it.`,
      { cause },
    );
  });
  const saved: unknown = parse(text);
  const difference = firstDifference(
    typeof saved === 'object' && saved !== null
      ? { ...saved, checkpoints: undefined, transport: undefined }
      : saved,
    comparable(config),
  );
  if (!difference) return;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run directory ${path} ${difference.path}: expected ${difference.left} as when the run began, got ${difference.right}. Restore it, or start anew with another --run-dir.`,
  );
}
