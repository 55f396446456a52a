import { TributaryError } from '../errors.js';
import type { AdvantageHistory } from './advantages/advantage-history.js';
import type { AdvantageRule } from './advantages/advantage-rule.js';
import { momentsOf } from './advantages/moments.js';
import type { LostGroup, RewardedGroup, StageBatch } from './records/records.js';

/** The outcomes of one training stage when it closes. */
export interface GatheredStage<Trajectory> {
  readonly trainingStage: number;
  /** Groups that the stage has; those without an outcome are late. */
  readonly groupsPerStage: number;
  /** One a group, in any order. */
  readonly outcomes: readonly (RewardedGroup<Trajectory> | LostGroup)[];
}

/** A training stage whose groups are all accounted for. */
export interface ClosedStage<Trajectory> {
  readonly trainingStage: number;
  /** The groups with rewards, in the order of their index. */
  readonly groupIds: readonly string[];
  readonly batch: StageBatch<Trajectory>;
  /** The history with this stage in it: what a checkpoint taken after this stage must hold. */
  readonly state: AdvantageHistory;
}

/**
 * Applies a rule to one training stage and returns its batch. Groups are taken in the order of `groupIndex`, so the order
 * of arrival never matters.
 *
 * Errors: TRIB_OPERATOR when groups of the stage forked for different intervals.
 */
export function closeStage<Trajectory>(
  { trainingStage, groupsPerStage, outcomes }: GatheredStage<Trajectory>,
  rule: AdvantageRule,
  history: AdvantageHistory,
): ClosedStage<Trajectory> {
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
      { stage: 'groupAdvantages', groupId: odd.groupId },
    );
  }
  const { state, samples, statistics } = rule(history, groups);
  const { count, mean, populationStd } = momentsOf(groups.flatMap(({ rewards }) => rewards));
  const batch: StageBatch<Trajectory> = {
    trainingStage,
    interval,
    policyVersion: groups.length === 0 ? null : Math.min(...groups.map(({ policyVersion }) => policyVersion)),
    samples,
    statistics: {
      groups: groups.length,
      rewards: count,
      lostGroups: lost.length,
      staleGroups: lost.filter(({ reason }) => reason === 'stale').length,
      lateGroups: groupsPerStage - outcomes.length,
      ages: agesOf(trainingStage, groups),
      rewardMean: count === 0 ? null : mean,
      rewardStd: count === 0 ? null : populationStd,
      ...statistics,
    },
  };
  return { trainingStage, groupIds: groups.map(({ groupId }) => groupId), batch, state };
}

function agesOf(trainingStage: number, groups: readonly RewardedGroup<unknown>[]): number[] {
  const ages: number[] = [];
  for (const { policyVersion } of groups) {
    const age = trainingStage - policyVersion;
    while (ages.length <= age) ages.push(0);
    ages[age] = (ages[age] ?? 0) + 1;
  }
  return ages;
}
