import { entriesOf } from '../../catalog.js';
import { number } from '../../fields.js';
import type { RewardedGroup, RuleStatistics, SelectedSample } from '../records/records.js';
import type { AdvantageHistory } from './advantage-history.js';

/** What a rule makes of one round. */
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
  /** Which branches of a group may become samples; a setting `keep` of the rule takes its place. */
  readonly keeps: 'extremes' | 'all';
}

/** Checks the entry of an advantage rule. */
export const defineAdvantageRule = entriesOf<AdvantageRule, [], AdvantageRuleTraits>();

/** The setting `stdFloor` of a rule that divides by a standard deviation. */
export const stdFloorField = number({ from: '[0', to: 'Infinity)' })
  .default(0)
  .describe(
    'Smallest standard deviation to divide by, in units of the reward. 0 is faithful to the papers; a floor keeps rewards of few distinct values from exploding when a prompt has hardly any spread.',
  );

/** Returns the sample of one branch; without `stepAdvantages`, `advantage` holds for all steps of its path. */
export function sampleOf<Trajectory>(
  group: RewardedGroup<Trajectory>,
  branch: number,
  advantage: number,
  stepAdvantages: readonly number[] | null = null,
): SelectedSample<Trajectory> {
  const { groupId, prompt, branches, rewards } = group;
  // The join has checked that every branch has a reward; both reads are in range.
  const trajectory = branches[branch] as Trajectory;
  const reward = rewards[branch] as number;
  return { groupId, prompt, branch, reward, advantage, stepAdvantages, trajectory };
}

/** Whether all branches have the same reward, so that nothing can be learned inside the group. */
export function hasZeroSpread({ rewards }: { readonly rewards: readonly number[] }): boolean {
  return rewards.length > 1 && rewards.every((reward) => reward === rewards[0]);
}

/** Whether two branches have different rewards, so that they can be compared. A branch on its own cannot. */
export function hasSpread({ rewards }: { readonly rewards: readonly number[] }): boolean {
  return rewards.some((reward) => reward !== rewards[0]);
}

/** Index of the largest value; the first of equal ones. -1 of none. */
export function indexOfBest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** Index of the smallest value; the first of equal ones. -1 of none. */
export function indexOfWorst(values: readonly number[]): number {
  return values.indexOf(Math.min(...values));
}
