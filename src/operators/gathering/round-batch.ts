import { TributaryError } from '../../errors.js';
import type { AdvantageHistory } from '../advantages/advantage-history.js';
import type { AdvantageRule } from '../advantages/advantage-rule.js';
import { momentsOf } from '../advantages/moments.js';
import type { LostGroup, RewardedGroup, RoundBatch, RoundStatistics } from '../records/records.js';

/** A round whose groups are all accounted for. */
export interface ClosedRound<Trajectory> {
  readonly round: number;
  /** The groups with rewards, in the order of their index. */
  readonly groups: readonly RewardedGroup<Trajectory>[];
  /** The groups that were reported lost, in the order in which they were. */
  readonly lost: readonly LostGroup[];
  readonly batch: RoundBatch<Trajectory>;
  /** The history with this round in it: what a checkpoint taken after this round must hold. */
  readonly state: AdvantageHistory;
}

/**
 * Applies a rule to the outcomes of one round, in the order of `groupIndex`, and returns its batch. Groups without an
 * outcome are late.
 *
 * Errors: TRIB_OPERATOR when groups of the round forked for different intervals.
 */
export function closeRound<Trajectory>(
  {
    round,
    groupsPerRound,
    outcomes,
  }: {
    readonly round: number;
    readonly groupsPerRound: number;
    readonly outcomes: readonly (RewardedGroup<Trajectory> | LostGroup)[];
  },
  rule: AdvantageRule,
  history: AdvantageHistory,
): ClosedRound<Trajectory> {
  const lost = outcomes.filter((outcome) => 'reason' in outcome);
  const groups = outcomes
    .filter((outcome) => 'rewards' in outcome)
    .sort((a, b) => a.groupIndex - b.groupIndex);
  const interval = groups[0]?.interval ?? null;
  const wanted = interval?.trainedSteps.join(', ');
  const odd = groups.find(({ interval: other }) => other.trainedSteps.join(', ') !== wanted);
  if (odd) {
    throw new TributaryError(
      'TRIB_OPERATOR',
      `groupAdvantages group ${odd.groupId}: expected the trained steps ${wanted}, got ${odd.interval.trainedSteps.join(', ')}. Put discardStale before groupAdvantages.`,
      { stage: 'advantages', groupId: odd.groupId },
    );
  }
  const { state, samples, statistics } = rule(history, groups);
  const { count, mean, populationStd } = momentsOf(groups.flatMap(({ rewards }) => rewards));
  const batch: RoundBatch<Trajectory> = {
    round,
    interval,
    policyVersion: groups.length === 0 ? null : Math.min(...groups.map(({ policyVersion }) => policyVersion)),
    samples,
    statistics: {
      groups: groups.length,
      rewards: count,
      lostGroups: lost.length,
      staleGroups: lost.filter(({ reason }) => reason === 'stale').length,
      lateGroups: groupsPerRound - outcomes.length,
      ages: agesOf(round, groups),
      ...droppedPart(lost),
      ...partStatistics(groups),
      rewardMean: count === 0 ? null : mean,
      rewardStd: count === 0 ? null : populationStd,
      ...statistics,
    },
  };
  return { round, groups, lost, batch, state };
}

function droppedPart(lost: readonly LostGroup[]): Pick<RoundStatistics, 'droppedGroups'> {
  const droppedGroups = lost.filter(({ reason }) => reason === 'dropped').length;
  return droppedGroups > 0 ? { droppedGroups } : {};
}

/** The parts in the order in which groups have them. */
function partStatistics(groups: readonly RewardedGroup<unknown>[]): Pick<RoundStatistics, 'rewardParts'> {
  const rewards = new Map<string, (readonly number[])[]>();
  for (const { parts = [] } of groups) {
    for (const part of parts) rewards.set(part.name, [...(rewards.get(part.name) ?? []), part.rewards]);
  }
  if (rewards.size === 0) return {};
  const statistics = Array.from(rewards, ([name, ofGroups]) => {
    const { mean, populationStd: std } = momentsOf(ofGroups.flat());
    return [name, { groups: ofGroups.length, mean, std }];
  });
  return { rewardParts: Object.fromEntries(statistics) };
}

function agesOf(round: number, groups: readonly RewardedGroup<unknown>[]): number[] {
  const ages: number[] = [];
  for (const { policyVersion } of groups) {
    const age = round - policyVersion;
    while (ages.length <= age) ages.push(0);
    ages[age]! += 1;
  }
  return ages;
}
