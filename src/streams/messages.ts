/** @file What travels on the topics. */

import type { Trajectory } from '../models/diffusion/sampler.js';
import type { NamedArrays } from '../models/optimizers/adamw.js';
import type {
  ClosedStage,
  DeadLetter,
  GroupRewards,
  LostGroup,
  PromptTicket,
  RolloutGroup,
  TrainingInterval,
} from '../operators/index.js';

/** The adapter's weights at a version: the number of training stages that made them. */
export interface PolicySnapshot {
  readonly version: number;
  readonly parameters: NamedArrays;
}

/** What has been consumed. */
export interface Progress {
  /** Groups that are finished: trained on, or lost and counted. */
  readonly finishedGroups: number;
  /** The training stage that begins; equals the number of finished ones. */
  readonly trainingStage: number;
}

/** One group was scored. */
export interface ScoredMetric {
  readonly kind: 'scored';
  readonly trainingStage: number;
  readonly images: number;
  /** What the verifier says of them; null without a verifier. */
  readonly verdicts: {
    readonly satisfied: number;
    /** Sum of the verifier's scores. */
    readonly score: number;
  } | null;
}

/** Messages by topic; the catalogue of topics is config/topics.ts. */
export interface TopicMessages {
  readonly prompts: PromptTicket;
  readonly images: RolloutGroup<Float32Array>;
  readonly trajectories: RolloutGroup<Trajectory>;
  readonly rewards: (GroupRewards | LostGroup) & { readonly groupId: string };
  readonly batches: ClosedStage<Trajectory>;
  readonly schedule: TrainingInterval;
  readonly policy: PolicySnapshot;
  readonly progress: Progress;
  readonly metrics: ScoredMetric;
  readonly 'dead-letters':
    | DeadLetter<{ readonly trainingStage: number }>
    | TopicMessages['prompts' | 'images' | 'trajectories' | 'rewards' | 'batches'];
}

export const RUN_KEY = 'run';
