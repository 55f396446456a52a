/** @file What a run reports, and what each figure means. All of it survives JSON. */

import type { Provider } from '../../models/engines/contract/engine.js';
import type { PictureStatistics } from '../../models/images/picture-statistics.js';
import type { Spread } from '../../models/numeric/spread.js';
import type { TrainingStatistics } from '../../models/policy/training-statistics.js';
import type { PartStatistics } from '../../operators/index.js';
import type { ControlDifference, GuardAction } from './control-state.js';

/** Rows through the network, counted and not timed; with guidance each counts twice, unless the network takes the scale (LCM). */
export interface NetworkRows {
  /** Forward, for the rollouts of the groups with rewards. */
  readonly sampling: number;
  /** Forward and backward, once for every epoch; extra passes of a reference policy are not counted. */
  readonly training: number;
}

/** The figures of one round, over all of its images unless stated otherwise. */
export interface RoundMetrics extends Omit<TrainingStatistics, 'trainedRows'> {
  /** Index k = 0, 1, ... of B²-DiffuRL's round. */
  readonly round: number;
  /** First trained sampler step, 0 the noisiest. */
  readonly firstStep: number;
  /** Sampler steps of a rollout (S). */
  readonly numSteps: number;
  /** The sampler steps that were trained, ascending; none if every group was lost. */
  readonly trainedSteps: readonly number[];
  /** Version of the policy that this round published. The round sampled with an older one. */
  readonly policyVersion: number;
  /** Mean reward; null if every group was lost. */
  readonly rewardMean: number | null;
  /** Population standard deviation of the rewards; null if every group was lost. */
  readonly rewardStd: number | null;
  /** Share of images that the verifier finds satisfied, in [0, 1]; null without a verifier. */
  readonly verifiedAlignment: number | null;
  /** Mean share of a prompt's constraints that are met, in [0, 1]; null without a verifier. */
  readonly verifierScore: number | null;
  /** Samples that were trained on. */
  readonly selectedSamples: number;
  /** Groups with rewards. */
  readonly groups: number;
  /** Groups that were not trained on: dead letters, too stale, or never matched. */
  readonly lostGroups: number;
  /** Of the lost ones, those that were sampled with too old a policy, or for another interval. */
  readonly staleGroups: number;
  /**
   * Groups without a reward when the round was closed by time, with or without a prompt. `groups`, `lostGroups` and
   * `lateGroups` make up a round.
   */
  readonly lateGroups: number;
  /** Of the lost groups, those that operator stages dropped; absent if there are none. */
  readonly droppedGroups?: number;
  /**
   * By name, the parts that the rewards were combined from: the groups that had the part, its mean and its population standard
   * deviation. Absent where they come from one source.
   */
  readonly rewardParts?: Readonly<Record<string, PartStatistics>>;
  /** Groups with rewards by age, in policy versions behind the one that they train; index 0 is the current one. */
  readonly ages: readonly number[];
  /** Messages that a stage gave up on. */
  readonly deadLetters: number;
  /** Groups whose branches all have the same reward: they teach nothing. */
  readonly zeroSpreadGroups: number;
  /** Intra-class correlation of the normalized rewards inside groups, at most 1; null where it is undefined. */
  readonly intraGroupCorrelation: number | null;
  /**
   * Factor on the learning rate of this round: 1, halved by each alarm that lowers it, times what operators want. In (0, 1]
   * unless operators change it.
   */
  readonly learningRateScale: number;
  /**
   * Images scored by the run's own reward stage so far, without evaluation; of late groups only those scored before their
   * round was trained.
   */
  readonly rewardQueries: number;
  /** Rows that went through the network in this round; absent in logs of earlier programs. */
  readonly networkRows?: NetworkRows;
  /**
   * Rewards of this round that came from outside: from people, or from a program that writes to the topic of rewards and not
   * to that of metrics. `rewardMean` includes them. Absent if there are none.
   */
  readonly outsideRewards?: number;
  /** What people said of the pictures of this round; absent if they said nothing. */
  readonly feedback?: RoundFeedback;
  /** Share of the time since the round before in which the trainer waited for groups, in [0, 1]. */
  readonly trainerIdleShare: number;
  /** Seconds of work on the run so far, including those before a resume. */
  readonly elapsedSeconds: number;
  /** 99th percentile of the main thread's event-loop delay during the round, in milliseconds. */
  readonly eventLoopDelayP99Ms: number;
  /** Peak resident set of the process so far, in bytes. */
  readonly peakRssBytes: number;
  /** What operators changed in the config for this round; absent if nothing. */
  readonly control?: ControlDifference;
  /** What the probe showed about the policy that this round trained; absent without a gate. */
  readonly promotion?: Promotion;
  /** What people chose between two policies up to this round; absent where none are compared. */
  readonly canary?: CanaryFigures;
}

/** What people said of the pictures of a round. */
export interface RoundFeedback {
  /** Groups that people decided on. */
  readonly groups: number;
  /** Votes that counted in them. */
  readonly votes: number;
  /** Share of the voters of a group who made its most common choice, in [0, 1]; the mean over the groups. */
  readonly agreement: number;
  /** Groups that went without a decision, of the whole run so far. */
  readonly expiredGroups: number;
  /** Groups that were decided too late to train on, of the whole run so far. */
  readonly staleGroups: number;
}

/** How a policy did at the gate to the samplers. */
export interface Promotion {
  /** Whether samplers get it; if not, they get the previous one again, under the version of this round. */
  readonly isPromoted: boolean;
  /** Root mean square difference of the probe's pixels, in [-1, 1], to those of the base model; null if not finite. */
  readonly outputChange: number | null;
  /** Mean |log π(trainer) - log π(sampler)| over the trained steps of the probe; null without log-probs, or if not finite. */
  readonly logProbDifference: number | null;
  /** Mean reward of the probe; null if not finite. */
  readonly rewardMean: number | null;
}

/** What people chose so far between the two policies that they are given. */
export interface CanaryFigures {
  /** Version of the one that was promoted last. */
  readonly stable: number;
  /** Version of the one that is compared with it; null before there is one. */
  readonly canary: number | null;
  /** Choices of the canary's pictures, of the others, and of neither. */
  readonly wins: number;
  readonly losses: number;
  readonly ties: number;
  /** Interval of the win rate among the first two, which holds at all times at once; shares in [0, 1]. */
  readonly interval: readonly [lower: number, upper: number];
  readonly verdict: 'hold' | 'promote' | 'roll-back';
}

/** How a policy does on one list of prompts. */
export interface PromptSetEvaluation {
  readonly prompts: number;
  readonly images: number;
  /** Mean over the images whose reward is finite and not beyond `maxMagnitude`. */
  readonly rewardMean: number;
  /** By name, the means of the parts that rewards were combined from; absent where they come from one source. */
  readonly rewardParts?: Readonly<Record<string, number>>;
  /**
   * By name, the rewards that are measured and never trained on, each over the images whose reward is finite and not beyond its
   * `maxMagnitude`. Absent where the config has none.
   */
  readonly gold?: Readonly<Record<string, Spread>>;
  /** What can be said of the images without a model; absent where the guard `pictureDrift` is off. */
  readonly pictures?: Readonly<Record<keyof PictureStatistics, Spread>>;
  /** Prompts that the verifier cannot read: the next two figures are without them. Absent where there are none. */
  readonly unverifiedPrompts?: number;
  /** Share of images that the verifier finds satisfied, in [0, 1]; null where it looks at none. */
  readonly verifiedAlignment: number | null;
  /** Mean share of a prompt's constraints that are met, in [0, 1]; null where it looks at none. */
  readonly verifierScore: number | null;
  /** Mean pairwise distance of the reward's image features within a prompt, averaged over prompts; null without features. */
  readonly diversity: number | null;
}

/** Verified alignment of one template of prompts, in [0, 1]; null if no prompt of the list has the template. */
export interface TemplateAlignment {
  readonly train: number | null;
  readonly heldOut: number | null;
}

/** A policy, measured on fixed prompts from fixed noise. It never influences training. */
export interface Evaluation {
  readonly policyVersion: number;
  /** Complete rounds when it was measured: 0 for the base model. */
  readonly round: number;
  readonly train: PromptSetEvaluation;
  readonly heldOut: PromptSetEvaluation;
  /** By name of the template, if prompts have templates. */
  readonly byTemplate?: Readonly<Record<string, TemplateAlignment>>;
  /** How long it took. */
  readonly seconds: number;
}

/** A guard's threshold was crossed. */
export interface Alarm {
  /** As in the config, such as `rewardCollapse` (src/streams/guards/ defines the figure of each), `promotion` or `canary`. */
  readonly guard: string;
  readonly action: Exclude<GuardAction, 'off'> | 'roll-back';
  /** The figure, which is above the threshold, both in the guard's unit; null if it is not finite. */
  readonly value: number | null;
  readonly threshold: number;
  /** Complete rounds when it was raised. */
  readonly round: number;
  /** What was expected, what came, and what can be done. */
  readonly message: string;
}

/** How far a run is inside a round. */
export interface RunProgress {
  /** Index of the current round. */
  readonly round: number;
  readonly numRounds: number;
  /** The sampler steps that this round trains, ascending. */
  readonly trainedSteps: readonly number[];
  readonly groupsSampled: number;
  readonly groupsPerRound: number;
}

/** The outcome of a run. */
export interface Outcome {
  readonly base: Evaluation;
  /** The policy of the adapter that the run ends with: the last one, or the best if a guard stopped the run. */
  readonly tuned: Evaluation;
  /** The evaluation with the highest reward on held-out prompts, the first of equal ones; its adapter is kept in `best/`. */
  readonly best: Evaluation;
  /** The alarm that ended the run; null if none did. */
  readonly stoppedBy: Alarm | null;
}

export type RunEvent =
  /** First of all: derived quantities, as name and value. */
  | { readonly kind: 'started'; readonly description: readonly (readonly [name: string, value: string])[] }
  /** A stage's graph is ready; `fallbacks` says which preferred providers are missing. */
  | {
      readonly kind: 'provider';
      readonly stage: string;
      readonly provider: Provider;
      readonly fallbacks: readonly string[];
    }
  /** A worker has joined a run. */
  | { readonly kind: 'joined'; readonly roles: readonly string[]; readonly round: number }
  /**
   * What a sampler or reward worker in this process did for a round, said when it has begun the next one. `idleShare`, in
   * [0, 1], is the share of the time in which it was idle.
   */
  | {
      readonly kind: 'worked';
      readonly role: 'sampler' | 'reward';
      readonly round: number;
      readonly groups: number;
      readonly idleShare: number;
    }
  /**
   * Rewards and trajectories that the trainer dropped since the round before was closed: `repeated` ones of groups that had
   * theirs or were lost, and `late` ones of trained rounds. Said only if there were any.
   */
  | {
      readonly kind: 'passed-over';
      readonly round: number;
      readonly repeated: number;
      readonly late: number;
    }
  /**
   * What an operator stage did since the round before: messages that it passed on, dropped, and failed at. Said only if there
   * were any.
   */
  | {
      readonly kind: 'operated';
      readonly stage: string;
      readonly passed: number;
      readonly dropped: number;
      readonly failed: number;
    }
  /** The prompt files were read: how many prompts each holds, and what was left out, as name and value. */
  | { readonly kind: 'prompts'; readonly description: readonly (readonly [name: string, value: string])[] }
  /** Prompts are taken, people are served, or this process tells of itself, at this address. */
  | { readonly kind: 'listening'; readonly url: string; readonly what: 'prompts' | 'people' | 'telemetry' }
  | ({ readonly kind: 'progress' } & RunProgress)
  | { readonly kind: 'round'; readonly metrics: RoundMetrics }
  | { readonly kind: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly kind: 'alarm'; readonly alarm: Alarm }
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'checkpoint'; readonly path: string }
  /** Last of all, unless the run was interrupted. */
  | ({ readonly kind: 'finished' } & Outcome);

/** Takes what a run has to say. */
export type Say = (event: RunEvent) => void;
