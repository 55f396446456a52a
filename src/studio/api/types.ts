/** @file What the server sends, as the page reads it. */

import type { MetricsLine } from '../../streams/directory/metrics-line.js';
import type { Control } from '../../streams/messages/control-state.js';
import type { RoundTrees } from '../../streams/messages/round-trees.js';
import type { RunProgress } from '../../streams/messages/run-events.js';

export type { Control, MetricsLine, RoundTrees, RunProgress };

export type GroupState = 'drawing' | 'waiting' | 'decided' | 'trained' | 'expired' | 'stale' | 'failed';

/** How the pictures of a group came to be. */
export interface ServedTree {
  readonly firstStep: number;
  readonly numSteps: number;
  /** The pictures share the steps before this one. */
  readonly forkStep: number;
  readonly trainedSteps: readonly number[];
  /** What the network expected to draw, as pictures `guess-<step>-<node>`. */
  readonly guesses: readonly { readonly step: number; readonly node: number }[];
}

/** A prompt with its pictures, from the request to the round that it trained. */
export interface ServedGroup {
  readonly id: string;
  readonly prompt: string;
  readonly state: GroupState;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly seed: number;
  readonly policyVersion: number | null;
  readonly round: number | null;
  readonly size: readonly [width: number, height: number];
  readonly pictures: number;
  readonly tree: ServedTree | null;
  readonly votes: number;
  readonly rewards: readonly number[] | null;
  readonly agreement: number | null;
  readonly requestedBy: string | null;
}

/** What a person says of a group; pictures count from 0, ratings lie in [0, 1]. */
export type Verdict =
  | { readonly best: number }
  | { readonly ranking: readonly number[] }
  | { readonly ratings: readonly number[] }
  | { readonly none: true }
  | { readonly skip: true };

export type FeedbackRule = 'best-of-n' | 'pairwise' | 'ratings' | 'consensus';

export interface Worker {
  readonly role: string;
  readonly id?: string;
  readonly state?: string;
  /** In [0, 1]. */
  readonly idleShare?: number;
  readonly groups?: number;
  /** ISO 8601. */
  readonly seenAt?: string;
}

export interface DeadLetter {
  readonly id?: string;
  readonly stage: string;
  readonly group?: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly time?: string;
}

/** `GET /v1/run`: a run as it is now. */
export interface RunInfo {
  readonly id: string;
  readonly name: string;
  readonly state: 'waiting' | 'running' | 'finished' | 'stopped' | 'failed';
  readonly round: number;
  readonly numRounds: number;
  readonly policyVersion: number;
  readonly progress: RunProgress | null;
  /** Null where nobody can ask for pictures. */
  readonly feedback: {
    readonly rule: FeedbackRule;
    readonly voters: number;
    readonly pictures: number;
  } | null;
  readonly examples: readonly string[];
  readonly workers: readonly Worker[];
  /** The newest first. */
  readonly deadLetters: readonly DeadLetter[];
  readonly control: {
    readonly canChange: boolean;
    readonly reason?: string;
    readonly wanted: Control;
  };
}

/** `GET /v1/runs`: one of them. */
export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly state: RunInfo['state'];
  readonly round: number;
  readonly numRounds: number;
}

/** `GET /v1/run/samples`: pictures of the same prompts from the same noise, a grid for each of some rounds. */
export interface RunSamples {
  readonly prompts: readonly string[];
  readonly columns: number;
  /** Pixels between the pictures of a grid, and around them. */
  readonly gap: number;
  readonly rounds: readonly number[];
}

export type ControlCommand = 'freeze' | 'unfreeze' | 'advance' | 'rewind' | 'learning-rate-scale' | 'reset';

/** What `GET /v1/events` says. */
export type StudioEvent =
  | { readonly type: 'group'; readonly group: ServedGroup }
  | { readonly type: 'step'; readonly id: string; readonly step: number; readonly node: number }
  | ({ readonly type: 'progress' } & RunProgress)
  | { readonly type: 'metrics'; readonly line: number; readonly entry: MetricsLine }
  /** The run is another one, or has begun anew. */
  | { readonly type: 'run' }
  /** Some events are gone. */
  | { readonly type: 'reset' };
