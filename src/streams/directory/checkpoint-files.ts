/** @file The files of a checkpoint: policy, optimizer, what else the trainer keeps, and the state of the streams. */

import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import type { FolderContent } from '../../models/files/atomic.js';
import { parseJsonOrNull } from '../../models/files/json-file.js';
import type { PolicyFiles } from '../../models/policy/policy-file.js';
import { holdsWeights } from '../../models/policy/policy-file.js';
import type { AdvantageHistory, CanaryTally, SchedulePlace } from '../../operators/index.js';
import type { Evaluation } from '../messages/run-events.js';
import type { PromptFingerprints } from '../prompt-files/prompt-fingerprint.js';
import type { Positions } from '../transport/kafka/kafka-transport.js';
import { ADAPTER_FILE, EMA_FILE, WEIGHTS_FILE } from './adapter-path.js';
import type { Checkpoint } from './checkpoint-folder.js';
import { type Computation, computationSchema } from './computation.js';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'state.json';
const OWN_FILES: readonly string[] = [ADAPTER_FILE, WEIGHTS_FILE, OPTIMIZER_FILE, STATE_FILE];

/**
 * What the streams need to resume as if nothing had happened. Random numbers are counted by group and need no state; guards
 * read theirs from the log, and the best policy has a folder of its own.
 */
export interface RunState {
  readonly history: AdvantageHistory;
  /** Where a schedule goes on that evidence moves; absent where it follows the rounds. */
  readonly schedulePlace?: SchedulePlace;
  readonly rewardQueries: number;
  /** The evaluation of the base model, for the report. */
  readonly base: Evaluation;
  /** How far the topics were answered, on a transport that keeps them. */
  readonly positions: Positions | null;
  /** Version of what operators wanted in the last complete round, for the record; absent if they wanted nothing. */
  readonly controlVersion?: number;
  /** What the run was computed with. */
  readonly computation: Computation;
  /** Mean reward on the probe of the best policy that was promoted; absent without a gate. */
  readonly bestProbeReward?: number;
  /** Which policies people are given, and what they chose between them; absent where none are compared. */
  readonly canary?: CanaryState;
  /** What the prompt files held. */
  readonly promptFingerprints: PromptFingerprints;
}

/** What a checkpoint keeps of a comparison, beside the files of the policies. */
export interface CanaryState {
  /** Versions. */
  readonly stable: number;
  readonly canary: number | null;
  readonly tally: CanaryTally;
}

const fingerprintSchema = z.object({ count: z.int().min(1), sha256: z.string() });

/** Rewards by round. */
const historySchema = z.object({
  rounds: z.array(z.array(z.object({ prompt: z.string(), rewards: z.array(z.number()) }))),
});

const placeSchema = z.object({
  position: z.int().min(0),
  firstStep: z.int().min(0).nullable(),
  correlations: z.array(z.number().max(1)),
  stayed: z.int().min(0),
});

const stateSchema = z.object({
  history: historySchema,
  schedulePlace: placeSchema.optional(),
  rewardQueries: z.int().min(0),
  base: z.looseObject({ policyVersion: z.literal(0) }),
  positions: z.record(z.string(), z.record(z.string(), z.string().regex(/^\d+$/))).nullable(),
  controlVersion: z.int().min(1).optional(),
  computation: computationSchema,
  bestProbeReward: z.number().optional(),
  canary: z
    .object({
      stable: z.int().min(0),
      canary: z.int().min(0).nullable(),
      tally: z.object({ wins: z.int().min(0), losses: z.int().min(0), ties: z.int().min(0) }),
    })
    .optional(),
  promptFingerprints: z.object({
    train: fingerprintSchema,
    heldOut: fingerprintSchema,
    sources: z.record(z.string(), fingerprintSchema).optional(),
  }),
});

/** The name of a policy's file. */
export function policyFileName(policy: Uint8Array): string {
  return holdsWeights(policy) ? WEIGHTS_FILE : ADAPTER_FILE;
}

/** The content of a checkpoint. */
export function checkpointFiles({ adapter, optimizer, extras }: PolicyFiles, state: RunState): FolderContent {
  return {
    ...extras,
    [policyFileName(adapter)]: adapter,
    [OPTIMIZER_FILE]: optimizer,
    [STATE_FILE]: `${JSON.stringify(state, null, 1)}\n`,
  };
}

/** The file of the policy that was evaluated with a checkpoint; null if there is none. */
export const shippedOf = (files: Checkpoint['files']): Uint8Array | null =>
  files.get(EMA_FILE) ?? policyOf(files);

/** The policy file of a checkpoint; null if there is none. */
function policyOf(files: Checkpoint['files']): Uint8Array | null {
  return files.get(WEIGHTS_FILE) ?? files.get(ADAPTER_FILE) ?? null;
}

/**
 * Reads a checkpoint's content. Files with other names are extras: those of the trainer, or of policies that are compared, which alone know what they hold.
 *
 * Errors: TRIB_CHECKPOINT where a file is missing or not what it should be.
 */
export function readCheckpointFiles({ path, files }: Checkpoint): PolicyFiles & { readonly state: RunState } {
  const file = (name: string): Uint8Array => files.get(name) ?? fault(`${path}/${name}`, 'no such file');
  const state = stateSchema.safeParse(parseJsonOrNull(new TextDecoder().decode(file(STATE_FILE))));
  if (!state.success) return fault(`${path}/${STATE_FILE}`, 'another content');
  const adapter = policyOf(files) ?? file(ADAPTER_FILE);
  return {
    adapter,
    optimizer: file(OPTIMIZER_FILE),
    extras: Object.fromEntries([...files].filter(([name]) => !OWN_FILES.includes(name))),
    state: state.data as unknown as RunState,
  };
}

function fault(place: string, got: string): never {
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `${place}: expected a file of a checkpoint, got ${got}. Remove this checkpoint; the one before it is used.`,
  );
}
