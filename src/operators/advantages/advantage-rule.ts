import { at } from '../../at.js';
import { entriesOf } from '../../catalog.js';
import { number } from '../../fields.js';
import { negativePart } from '../../prompt-metadata.js';
import type { RewardedGroup, RuleStatistics, SelectedSample } from '../records/records.js';
import type { AdvantageHistory } from './advantage-history.js';

/** What a rule returns for one round. */
export interface RuleOutcome<Trajectory> {
  /** The history with this round in it. */
  readonly state: AdvantageHistory;
  readonly samples: readonly SelectedSample<Trajectory>[];
  readonly statistics: RuleStatistics;
}

/**
 * Turns the rewards of a whole round into advantages. A rule is a pure function: the same history and the same
 * groups, in the order of `groupIndex`, give the same samples.
 */
export type AdvantageRule = <Trajectory>(
  history: AdvantageHistory,
  groups: readonly RewardedGroup<Trajectory>[],
) => RuleOutcome<Trajectory>;

export interface AdvantageRuleTraits {
  /** Whether it compares the branches of a group, and so needs at least two. */
  readonly comparesBranches: boolean;
  /** Whether it gives every edge of a tree an advantage of its own, so that branches may fork inside the trained steps. */
  readonly creditsEdges: boolean;
  /** Whether it reads the parts that rewards were combined from. Default: no. */
  readonly readsParts?: boolean;
  /** Which branches of a group may become samples; overridden by a rule's `keep` setting. */
  readonly keeps: 'extremes' | 'all';
}

/** Checks the entry of an advantage rule. */
export const defineAdvantageRule = entriesOf<AdvantageRule, [], AdvantageRuleTraits>();

/** The setting `stdFloor` of a rule that divides by a standard deviation. */
export const stdFloorField = number({ from: '[0', to: 'Infinity)' })
  .default(0)
  .describe(
    'Smallest standard deviation to divide by, in units of the reward. 0 is faithful to the papers; a floor keeps z-scores from exploding if rewards take few values and a prompt has hardly any spread.',
  );

/** Returns the sample of one branch. Without `stepAdvantages`, `advantage` holds for all steps of its path. */
export function sampleOf<Trajectory>(
  group: RewardedGroup<Trajectory>,
  branch: number,
  advantage: number,
  stepAdvantages: readonly number[] | null = null,
): SelectedSample<Trajectory> {
  const { groupId, prompt, metadata, branches, rewards } = group;
  const reward = at(rewards, branch);
  const trajectory = at(branches, branch);
  return {
    groupId,
    prompt,
    ...negativePart(metadata),
    branch,
    reward,
    advantage,
    stepAdvantages,
    trajectory,
  };
}

/** Whether several branches all have the same reward: the group has nothing to learn from. */
export function hasZeroSpread({ rewards }: { readonly rewards: readonly number[] }): boolean {
  return rewards.length > 1 && rewards.every((reward) => reward === rewards[0]);
}

/** Whether two branches have different rewards, so that they can be compared. */
export function hasSpread({ rewards }: { readonly rewards: readonly number[] }): boolean {
  return rewards.some((reward) => reward !== rewards[0]);
}

/** Returns the indices of the largest and of the smallest value; of equal ones the first. */
export function extremesOf(values: readonly number[]): readonly [best: number, worst: number] {
  return [values.indexOf(Math.max(...values)), values.indexOf(Math.min(...values))];
}
