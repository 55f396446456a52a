/** @file What a gateway and the server of a run say, as programs read it. */

import type { MetricsLine } from '../streams/directory/metrics-line.js';
import type { Control } from '../streams/messages/control-state.js';
import type { RunProgress } from '../streams/messages/run-events.js';
import type {
  DeskEvent,
  DeskStatus,
  Judgment,
  PersonDeletion,
  PersonExport,
  ServedGroup,
} from '../streams/stages/gateway/desk.js';

export type { GroupState, ServedTree, VoteLine } from '../streams/stages/gateway/desk.js';
export type {
  Control,
  DeskStatus,
  Judgment,
  MetricsLine,
  PersonDeletion,
  PersonExport,
  RunProgress,
  ServedGroup,
};

/** A request for pictures, as OpenAI's Images API has it, with a seed. */
export interface ImagesRequest {
  readonly prompt: string;
  /** Number of pictures: that of a group, or none given. */
  readonly n?: number;
  /** `auto` or the size that the model draws. */
  readonly size?: string;
  /** 0..2^32-1. */
  readonly seed?: number;
  /** Default: both. */
  readonly response_format?: 'b64_json' | 'url';
  /** Who asks. */
  readonly user?: string;
}

export interface Images {
  /** Seconds since 1970. */
  readonly created: number;
  /** Of the group: feedback is given under it. */
  readonly id: string;
  readonly size: string;
  readonly output_format: 'png';
  readonly seed: number;
  readonly data: readonly { readonly b64_json?: string | undefined; readonly url?: string | undefined }[];
}

/** A judgment of the pictures of a group, and who gives it. */
export type FeedbackRequest = { readonly user: string; readonly idempotencyKey?: string } & Judgment;

/** A run in a list. */
export interface RunSummary {
  /** The name of its directory. */
  readonly id: string;
  readonly name: string;
  /** `waiting` until it begins; `stopped` where nothing works on it and rounds are left. */
  readonly state: 'waiting' | 'running' | 'finished' | 'stopped';
  /** Finished rounds. */
  readonly round: number;
  /** 0 before it begins. */
  readonly numRounds: number;
}

/** A run as it is now. */
export interface RunInfo extends RunSummary {
  readonly policyVersion: number;
  /** How far it is inside a round; null where that is not known. */
  readonly progress: RunProgress | null;
  /** How people judge pictures; null where nobody can ask for some. */
  readonly feedback: { readonly rule: string; readonly voters: number; readonly pictures: number } | null;
  /** Prompts that the model can draw. */
  readonly examples: readonly string[];
  readonly workers: readonly Worker[];
  readonly deadLetters: readonly DeadLetter[];
  readonly control: {
    readonly canChange: boolean;
    /** Why it takes no commands. */
    readonly reason?: string | undefined;
    readonly wanted: Control;
  };
}

/** Who is at work in a role, and what they did last. */
export interface Worker {
  readonly role: string;
  /** Absent where nobody is at work in it. */
  readonly process?: string | undefined;
  /** In [0, 1]. */
  readonly idleShare?: number | undefined;
  /** In its last round. */
  readonly groups?: number | undefined;
  /** ISO 8601. */
  readonly seenAt?: string | undefined;
}

/** A message that a stage gave up on. */
export interface DeadLetter {
  readonly stage: string;
  readonly group?: string | undefined;
  readonly reason: string;
}

/** Pictures of the same prompts from the same noise: a grid for each of some rounds, `round-<four digits>.png`. */
export interface RunSamples {
  /** One a row. */
  readonly prompts: readonly string[];
  readonly columns: number;
  /** Pixels between the pictures, and around them. */
  readonly gap: number;
  readonly rounds: readonly number[];
}

/** Lines of `metrics.jsonl`, and what to ask for after them. */
export interface MetricsPage {
  readonly lines: readonly MetricsLine[];
  readonly next: number;
}

export interface ControlCommand {
  readonly command: 'freeze' | 'unfreeze' | 'advance' | 'rewind' | 'learning-rate-scale' | 'reset';
  readonly value?: number;
}

/** What `/v1/events` says. */
export type ServerEvent =
  | DeskEvent
  | ({ readonly type: 'progress' } & RunProgress)
  /** A line of the log is new. */
  | { readonly type: 'metrics'; readonly line: number; readonly entry: MetricsLine }
  /** The run is another one, or has begun anew. */
  | { readonly type: 'run' }
  /** Some events are gone: ask for the state again. */
  | { readonly type: 'reset' };
