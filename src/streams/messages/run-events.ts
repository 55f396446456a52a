/** @file What a run says of itself, and what each of its figures means. All of it survives a trip through JSON. */

import type { Provider } from '../../models/engines/contract/engine.js';
import type { LossScaling } from '../../models/policy/training-statistics.js';
import type { Role } from '../stages/index.js';
import type { ControlDifference, GuardAction } from './control-state.js';

/** The figures of one round. Of all images of the round unless it says otherwise. */
export interface RoundMetrics {
  /** Index k = 0, 1, ... of B²-DiffuRL's round. */
  readonly round: number;
  /** First trained sampler step, 0 the noisiest. */
  readonly firstStep: number;
  /** Sampler steps of a rollout (S). */
  readonly numSteps: number;
  /** The sampler steps that were trained, ascending; none where every group was lost. */
  readonly trainedSteps: readonly number[];
  /** Version of the policy that this round published. The round sampled with an older one. */
  readonly policyVersion: number;
  /** Mean reward; null where every group was lost. */
  readonly rewardMean: number | null;
  /** Population standard deviation of the rewards; null where every group was lost. */
  readonly rewardStd: number | null;
  /** Share of images that the verifier finds satisfied, in [0, 1]; null where the model has no verifier. */
  readonly verifiedAlignment: number | null;
  /** Mean share of a prompt's constraints that are met, in [0, 1]; null where the model has no verifier. */
  readonly verifierScore: number | null;
  /** Samples that were trained on. */
  readonly selectedSamples: number;
  /** Groups with rewards. */
  readonly groups: number;
  /** Groups that were not trained on: dead letters, too stale, or never matched. */
  readonly lostGroups: number;
  /** Of the lost ones, those that were sampled by a policy too old, or for another interval. */
  readonly staleGroups: number;
  /**
   * Groups without a reward when the round was closed by time, whether they had a prompt or not. `groups`, `lostGroups` and
   * these make up the groups of a round.
   */
  readonly lateGroups: number;
  /** Groups with rewards by age: how many policy versions older than the one they train; index 0 is none. */
  readonly ages: readonly number[];
  /** Messages that a stage gave up on. */
  readonly deadLetters: number;
  /** Groups whose branches all have the same reward: nothing is learned from them. */
  readonly zeroSpreadGroups: number;
  /** Intra-class correlation of the normalized rewards inside groups, at most 1; null where it is undefined. */
  readonly intraGroupCorrelation: number | null;
  /** Optimizer steps taken in this round. */
  readonly optimizerSteps: number;
  /** Mean over the round's optimizer steps of the loss, the surrogate's mean over the trained (sample, step) pairs. */
  readonly policyLoss: number;
  /** Share of the trained pairs whose ratio is outside 1 ± clipRange, in [0, 1]. */
  readonly clipFraction: number;
  /** clipFraction by sampler step, index 0 the noisiest; 0 for steps that are not trained. */
  readonly clipFractionByStep: readonly number[];
  /** Schulman's k2 estimator, mean of ½ (log p_new - log p_old)² over the trained pairs; log-probs are means over the latent. */
  readonly approxKl: number;
  /** Largest |ratio - 1| among the pairs seen before the round's first optimizer step: 0 up to rounding. */
  readonly maxRatioDeviation: number;
  /** Mean |ratio - 1| over the trained pairs: how far the updates moved from the policy that sampled. */
  readonly meanRatioDeviation: number;
  /** Mean KL of one sampler step to that of the pretrained model, in nats; null where it is not measured. */
  readonly klToPretrained: number | null;
  /** Mean loss of the value network over its updates; null where there is none. */
  readonly valueLoss: number | null;
  /**
   * Factor on the learning rate for this round: 1, halved by each alarm that lowers it, times what operators want. In (0, 1]
   * without operators.
   */
  readonly learningRateScale: number;
  /** Mean L2 norm of all gradients together, before clipping, over the round's optimizer steps. */
  readonly gradNorm: number;
  /**
   * By sampler step, index 0 the noisiest: root mean square of the gradient norms of single runs of the training graph, with
   * the weights of the loss; null where no run held rows of that step alone.
   */
  readonly gradNormByStep: readonly (number | null)[];
  /**
   * In half precision, the loss scale after the round, and the updates of the round that were skipped because a gradient was
   * not finite, of which the other figures hold nothing; absent in single precision.
   */
  readonly lossScaling?: LossScaling;
  /**
   * Images scored by the run's own reward stage so far, evaluation not counted; of late groups those that were scored before
   * their round was trained.
   */
  readonly rewardQueries: number;
  /**
   * Of the rewards of this round, those that this run did not ask for: people gave them, or a program of somebody else's that
   * writes to the topic of rewards and says nothing to that of metrics. `rewardMean` is theirs too. Absent where there are none.
   */
  readonly outsideRewards?: number;
  /** Share of the time since the round before in which the trainer waited for groups, in [0, 1]. */
  readonly trainerIdleShare: number;
  /** Seconds of work on the run so far, those before a resume included. */
  readonly elapsedSeconds: number;
  /** 99th percentile of the main thread's event-loop delay during the round, in milliseconds. */
  readonly eventLoopDelayP99Ms: number;
  /** Largest resident set of the process so far, in bytes. */
  readonly peakRssBytes: number;
  /** What operators had changed of the config in this round; absent where nothing. */
  readonly control?: ControlDifference;
  /** What the probe showed of the policy that this round trained; absent where there is no gate. */
  readonly promotion?: Promotion;
}

/** A policy before the gate to the samplers. */
export interface Promotion {
  /** Whether samplers got it; else they got the one before once more, under the version of this round. */
  readonly isPromoted: boolean;
  /** Root mean square difference of the probe's pixels, in [-1, 1], to those of the base model; null where not finite. */
  readonly outputChange: number | null;
  /** Mean |log π(trainer) - log π(sampler)| over the trained steps of the probe; null without log-probs, or where not finite. */
  readonly logProbDifference: number | null;
  /** Mean reward of the probe; null where not finite. */
  readonly rewardMean: number | null;
}

/** How a policy does on one list of prompts. */
export interface PromptSetEvaluation {
  readonly prompts: number;
  readonly images: number;
  /** Mean over the images whose reward is finite and not beyond `maxMagnitude`. */
  readonly rewardMean: number;
  /** Share of images that the verifier finds satisfied, in [0, 1]; null where the model has no verifier. */
  readonly verifiedAlignment: number | null;
  /** Mean share of a prompt's constraints that are met, in [0, 1]; null where the model has no verifier. */
  readonly verifierScore: number | null;
  /** Mean pairwise distance of the reward's image features within a prompt, averaged over prompts; null where it gives none. */
  readonly diversity: number | null;
}

/** Verified alignment of one template of prompts, in [0, 1]; null where no prompt of the list has the template. */
export interface TemplateAlignment {
  readonly train: number | null;
  readonly heldOut: number | null;
}

/** A policy, measured on fixed prompts from fixed noise. It never influences training. */
export interface Evaluation {
  readonly policyVersion: number;
  /** Rounds that were complete when it was measured: 0 for the base model. */
  readonly round: number;
  readonly train: PromptSetEvaluation;
  readonly heldOut: PromptSetEvaluation;
  /** By name of the template, where prompts have templates. */
  readonly byTemplate?: Readonly<Record<string, TemplateAlignment>>;
  /** How long it took. */
  readonly seconds: number;
}

/** A guard's threshold was crossed. */
export interface Alarm {
  /** As in the config, such as `rewardCollapse` (src/streams/guards/ defines the figure of each), or `promotion`. */
  readonly guard: string;
  readonly action: Exclude<GuardAction, 'off'> | 'roll-back';
  /** The figure, which is above the threshold, both in the guard's unit; null where it is not finite. */
  readonly value: number | null;
  readonly threshold: number;
  /** Rounds that were complete when it was raised. */
  readonly round: number;
  /** What was expected, what came, and what can be done. */
  readonly message: string;
}

/** Where a run stands inside a round. */
export interface RunProgress {
  /** Index of the round that is under way. */
  readonly round: number;
  readonly numRounds: number;
  /** The sampler steps that this round trains, ascending. */
  readonly trainedSteps: readonly number[];
  readonly groupsSampled: number;
  readonly groupsPerRound: number;
}

/** What came of a run. */
export interface Outcome {
  readonly base: Evaluation;
  /** The policy of the adapter that the run ends with: the last one, or the best where a guard stopped the run. */
  readonly tuned: Evaluation;
  /** The evaluation with the highest reward on held-out prompts, the first of equal ones; its adapter is kept in `best/`. */
  readonly best: Evaluation;
  /** The alarm that ended the run; null where none did. */
  readonly stoppedBy: Alarm | null;
}

export type RunEvent =
  /** First of all: derived quantities, name and value. */
  | { readonly kind: 'started'; readonly description: readonly (readonly [name: string, value: string])[] }
  /** A stage made its graph ready; `fallbacks` says which wanted providers were not there. */
  | {
      readonly kind: 'provider';
      readonly stage: string;
      readonly provider: Provider;
      readonly fallbacks: readonly string[];
    }
  /** A worker takes part in a run from now on. */
  | { readonly kind: 'joined'; readonly roles: readonly Role[]; readonly round: number }
  /**
   * What a sampler or reward worker in this process did for a round, as far as it goes: said when the next one has
   * begun for it. `idleShare`, in [0, 1], is the share of the time in which it had nothing to do.
   */
  | {
      readonly kind: 'worked';
      readonly role: 'sampler' | 'reward';
      readonly round: number;
      readonly groups: number;
      readonly idleShare: number;
    }
  /**
   * Rewards and trajectories that came to the trainer since the round before was closed, and counted for nothing:
   * `repeated` ones of groups that had theirs before, or were lost, and `late` ones of rounds that were trained. Said where
   * there were any.
   */
  | {
      readonly kind: 'passed-over';
      readonly round: number;
      readonly repeated: number;
      readonly late: number;
    }
  /** The prompt files were read: how many prompts each holds, and what is left out, name and value. */
  | { readonly kind: 'prompts'; readonly description: readonly (readonly [name: string, value: string])[] }
  /** Prompts are taken at this address from now on. */
  | { readonly kind: 'listening'; readonly url: string }
  | ({ readonly kind: 'progress' } & RunProgress)
  | { readonly kind: 'round'; readonly metrics: RoundMetrics }
  | { readonly kind: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly kind: 'alarm'; readonly alarm: Alarm }
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'checkpoint'; readonly path: string }
  /** Last of all, where the run was not interrupted. */
  | ({ readonly kind: 'finished' } & Outcome);

/** Takes what a run has to say. */
export type Say = (event: RunEvent) => void;
