/** @file The messages on the topics. */

import type { NamedArrays } from '../../models/optimizers/adamw.js';
import type { Trajectory } from '../../models/rollouts/sampler.js';
import type {
  ClosedRound,
  GroupRewards,
  LostGroup,
  Preference,
  PromptTicket,
  RolloutGroup,
  TrainingInterval,
} from '../../operators/index.js';
import type { Control } from './control-state.js';
import type { AmongGateways, Deletion, DrawnPictures, Feedback, PictureRequest } from './people.js';
import type { IncomingPrompt } from './prompts.js';
import type { PickedTree } from './round-trees.js';

/** The adapter's weights at a version: the number of rounds that they were trained for. */
export interface PolicySnapshot {
  readonly version: number;
  readonly parameters: NamedArrays;
  /** What people are given in its place; absent unless policies are compared by what people choose. */
  readonly served?: ServedPolicies;
}

/** The policies whose pictures people are given. */
export interface ServedPolicies {
  /** The newest that was promoted. */
  readonly stable: PolicySnapshot;
  /** The one that is compared with it; null while there is none. */
  readonly canary: PolicySnapshot | null;
}

/** What people chose between the pictures of two policies. */
export interface CanaryChoice {
  /** Version of the canary. */
  readonly canary: number;
  readonly preference: Preference;
}

/** How far a run is. */
export interface Progress {
  /**
   * Groups of closed rounds: trained on, lost, late, or about to be trained on. Those of the round that begins are included
   * only if it was closed by time.
   */
  readonly finishedGroups: number;
  /** The round that begins, which is the number of finished ones. */
  readonly round: number;
  /** Nothing more will be trained. */
  readonly isOver: boolean;
  /** Fingerprint of the settings that all processes of the run must share. */
  readonly sharedConfig: string;
  /** Position of the schedule in that round, before what operators shift; absent if it is the round. */
  readonly schedulePosition?: number;
  /** SHA-256 of the trainer's training prompts; absent if the writer does not say. */
  readonly trainPrompts?: string;
  /** The newest closed rounds that lack some of their groups, where a gateway has to tell people; absent if there are none. */
  readonly partialRounds?: readonly PartialRound[];
}

/** What became of the groups of a round that not all of them are trained in. Those in neither list were late, or lost. */
export interface PartialRound {
  readonly round: number;
  /** Ids of the tickets that are trained on. */
  readonly trained: readonly string[];
  /** Ids of those that were too old when the round began. */
  readonly stale: readonly string[];
}

/** Pictures of a group, each [3, H, W] in [-1, 1]. */
export interface PictureGroup extends RolloutGroup<Float32Array> {
  /** [C, H, W] of each. */
  readonly imageShape: readonly [number, number, number];
}

/** A round that is trained next. */
export interface TrainableRound extends Omit<ClosedRound<Trajectory>, 'groups'> {
  /** The groups with rewards, in the order of their index. */
  readonly groupIds: readonly string[];
  /** What the report shows of a few of them; none in most rounds. */
  readonly pickedTrees: readonly PickedTree[];
}

/** One group was scored. */
export interface ScoredMetric {
  readonly kind: 'scored';
  readonly groupId: string;
  readonly round: number;
  /** The reward stage; absent where there is one alone. */
  readonly stage?: string;
  readonly images: number;
  /** What the verifier says of them; null without a verifier, or where it cannot read the prompt. */
  readonly verdicts: {
    readonly satisfied: number;
    /** Sum of the verifier's scores. */
    readonly score: number;
  } | null;
}

/** People decided on a group. */
export interface JudgedMetric {
  readonly kind: 'judged';
  readonly groupId: string;
  readonly round: number;
  /** Votes that counted. */
  readonly votes: number;
  /** Share of the voters who made the most common choice, in [0, 1]. */
  readonly agreement: number;
  /** Groups that went without a decision, of the whole run so far. */
  readonly expired: number;
  /** Groups that were decided too late to train on, of the whole run so far. */
  readonly stale: number;
  /** Absent where one policy drew the group. */
  readonly choice?: CanaryChoice;
}

/** Messages by topic; topics.ts has the catalog of topics. */
export interface TopicMessages {
  readonly 'incoming-prompts': IncomingPrompt;
  readonly prompts: PromptTicket;
  readonly images: PictureGroup;
  readonly trajectories: RolloutGroup<Trajectory>;
  readonly rewards: (GroupRewards | LostGroup) & { readonly groupId: string };
  readonly batches: TrainableRound;
  readonly schedule: TrainingInterval;
  readonly policy: PolicySnapshot;
  readonly progress: Progress;
  readonly requests: PictureRequest;
  readonly drawn: DrawnPictures;
  readonly feedback: Feedback;
  readonly deletions: Deletion;
  readonly people: AmongGateways;
  readonly control: Control;
  readonly metrics: ScoredMetric | JudgedMetric;
  /** Unchanged from the topic that the header `origin` names; `stage` and `reason` say who gave up, and why. */
  readonly 'dead-letters': TopicMessages[
    | 'incoming-prompts'
    | 'prompts'
    | 'images'
    | 'trajectories'
    | 'rewards'
    | 'requests'
    | 'drawn'
    | 'feedback'
    | 'deletions'
    | 'people'
    | 'batches'];
}

export const RUN_KEY = 'run';
