/**
 * @file The plain records that flow between the operators. Payloads (latents, images, policies) are type parameters:
 * an operator never looks inside them. All records are readonly and survive a trip through JSON, payloads aside.
 */

import type { ErrorCode } from '../../errors.js';
import type { PromptMetadata } from '../../prompt-metadata.js';
import type { RolloutTree } from '../../rollout-tree.js';

/** The sampler steps that a round trains. B²-DiffuRL forks at the first of them. */
export interface TrainingInterval {
  /** Index k = 0, 1, ... of B²-DiffuRL's round. */
  readonly round: number;
  /** First trained sampler step, 0 the noisiest. */
  readonly firstStep: number;
  /** Sampler steps of a whole rollout (the paper's S). */
  readonly numSteps: number;
  /** Trained sampler steps, ascending; the first is `firstStep`. */
  readonly trainedSteps: readonly number[];
}

/** The order to roll out one group. */
export interface PromptTicket {
  /** `<round>-<index in the round>`, such as `3-17`. */
  readonly groupId: string;
  /** Global counter: round * groupsPerRound + index in the round. */
  readonly groupIndex: number;
  readonly round: number;
  readonly prompt: string;
  /** What its file or sender adds to the prompt, such as a negative prompt (`negativePart`); reward sources receive it. */
  readonly metadata?: PromptMetadata;
  /** The id of the incoming prompt; absent where prompts come from a file. */
  readonly sourceId?: string;
}

/** One prompt rolled out into branches. `Branch` is a trajectory, an image, or both. */
export interface RolloutGroup<Branch> extends PromptTicket {
  /** The interval that was current when the group was rolled out. */
  readonly interval: TrainingInterval;
  /** How its branches share steps. A trajectory holds the path of its leaf. */
  readonly tree: RolloutTree;
  /** Version of the policy that sampled it. */
  readonly policyVersion: number;
  /** What keyed its random numbers; absent where that is its index. */
  readonly noiseIndex?: number;
  readonly branches: readonly Branch[];
}

/** The rewards of one group, one finite number per branch, in branch order. */
export interface GroupRewards {
  readonly groupId: string;
  readonly round: number;
  readonly rewards: readonly number[];
  /** What they were combined from, in the order of the config; absent where they come from one source. */
  readonly parts?: readonly PartRewards[];
}

/** The rewards of a group in one part of a combination, one per branch. */
export interface PartRewards {
  readonly name: string;
  /** Its factor in a weighted sum. */
  readonly weight: number;
  readonly rewards: readonly number[];
}

/** A group with its rewards: `rewards[b]` belongs to `branches[b]`. */
export interface RewardedGroup<Branch> extends RolloutGroup<Branch> {
  readonly rewards: readonly number[];
  /** What they were combined from, in the order of the config; absent where they come from one source. */
  readonly parts?: readonly PartRewards[];
}

/** Why a group is not trained on: too old, failed, its other half never came, or an operator stage dropped it. */
export type LossReason = 'stale' | 'dead-letter' | 'unmatched' | 'dropped';

/** A group that will never be trained on. It still counts as one outcome of its round. */
export interface LostGroup {
  readonly groupId: string;
  readonly round: number;
  readonly reason: LossReason;
  readonly detail: string;
  /** The operator stage that dropped it, or failed at it; absent where it was lost elsewhere. */
  readonly operator?: string;
}

/** Rewards that were combined from parts. */
export interface CombinedRewards extends GroupRewards {
  readonly parts: readonly PartRewards[];
}

/** What comes of a group on its way to a reward. */
export type RewardOutcome = GroupRewards | LostGroup;

/** A message that a stage gave up on. */
export interface DeadLetter<Message> {
  /** The stage that gave up. */
  readonly stage: string;
  readonly groupId?: string;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly message: Message;
}

/** One branch that will be trained on. */
export interface SelectedSample<Trajectory> {
  readonly groupId: string;
  readonly prompt: string;
  /** Of the prompt's metadata; absent if it has none of its own. */
  readonly negativePrompt?: string;
  /** Index of the branch in its group. */
  readonly branch: number;
  readonly reward: number;
  readonly advantage: number;
  /** One per step of the branch's own path (see RolloutTree); null where `advantage` holds for all of them. */
  readonly stepAdvantages: readonly number[] | null;
  readonly trajectory: Trajectory;
}

/** What an advantage rule reports of one round. */
export interface RuleStatistics {
  /** Groups of several branches that all have the same reward: nothing can be learned from them. */
  readonly zeroSpreadGroups: number;
  /** Samples kept as the best of their group; where a rule keeps all branches, those with a positive advantage. */
  readonly selectedBest: number;
  /** Samples kept as the worst of their group; where a rule keeps all branches, those with a negative advantage. */
  readonly selectedWorst: number;
  /** Intra-class correlation of the normalized rewards inside groups, at most 1; null where it is undefined. */
  readonly intraGroupCorrelation: number | null;
}

/** One part of the rewards of a round, over all branches that have it. */
export interface PartStatistics {
  readonly groups: number;
  readonly mean: number;
  /** Population standard deviation. */
  readonly std: number;
}

export interface RoundStatistics extends RuleStatistics {
  /** Groups with rewards. */
  readonly groups: number;
  /** Rewards of those groups, one per branch. */
  readonly rewards: number;
  /** Groups that were reported lost. */
  readonly lostGroups: number;
  /** Of the lost ones, those that were too old when their round began. */
  readonly staleGroups: number;
  /** Groups without an outcome when the round closed by time. Rewarded, lost and late groups make up the round. */
  readonly lateGroups: number;
  /** Groups with rewards by age: the policy versions between the one that sampled them and the one they train. */
  readonly ages: readonly number[];
  /** By name, the parts that rewards of the round were combined from; absent where they come from one source. */
  readonly rewardParts?: Readonly<Record<string, PartStatistics>>;
  /** Of the lost groups, those that an operator stage dropped; absent if there are none. */
  readonly droppedGroups?: number;
  /** Over all branches of the round; null when there is none. */
  readonly rewardMean: number | null;
  /** Population standard deviation over all branches of the round; null when there is none. */
  readonly rewardStd: number | null;
}

/** Everything that one round trains on. */
export interface RoundBatch<Trajectory> {
  readonly round: number;
  /** The interval of its groups; null when every group of the round was lost. */
  readonly interval: TrainingInterval | null;
  /** The oldest policy version among its groups; null when every group of the round was lost. */
  readonly policyVersion: number | null;
  readonly samples: readonly SelectedSample<Trajectory>[];
  readonly statistics: RoundStatistics;
}
