import { at } from '../../../at.js';
import type { PartRewards, RewardedGroup } from '../../records/records.js';
import { type AdvantageRule, defineAdvantageRule, sampleOf, stdFloorField } from '../advantage-rule.js';
import { type GroupZScoreOptions, groupZScores, STD_EPSILON } from '../group-z-scores.js';
import { momentsOf } from '../moments.js';
import { ruleStatistics } from '../rule-statistics.js';

/**
 * Creates GDPO's rule: the parts of a reward are normalized one by one before they are added.
 *
 *     z_kb = (r_kb - mean_k) / (max(std_k, stdFloor) + 1e-4)      part k of branch b, within its group
 *     s_b  = Σ_k w_k z_kb
 *     A_b  = (s_b - mean(s)) / (std(s) + 1e-4)                    over all branches of the round
 *
 * Source: GDPO, arXiv 2601.05242. Normalizing the sum instead, as GRPO does, makes different mixtures of rewards look alike,
 * and lets the part with the largest spread decide. Groups in which no part differs teach nothing: they are counted, and do
 * not take part in the normalization over the round. A part that a group lacks adds nothing there.
 *
 * Departures: standard deviations are those of the population (n), with 1e-4 added, as for `group-z-score`.
 *
 * Errors: TRIB_OPERATOR for a floor below 0.
 */
export function gdpoRule(options: GroupZScoreOptions): AdvantageRule {
  const normalize = groupZScores(options);
  const sumsOf = (parts: readonly PartRewards[]): number[] => {
    const scored = parts.map(({ weight, rewards }) => ({ weight, scores: normalize(rewards) }));
    return at(parts, 0).rewards.map((_, branch) =>
      scored.reduce((sum, { weight, scores }) => sum + weight * at(scores, branch), 0),
    );
  };
  return (history, groups) => {
    const taught = groups
      .filter((group) =>
        partsOf(group).some(({ rewards }) => rewards.some((reward) => reward !== rewards[0])),
      )
      .map((group) => ({ group, sums: sumsOf(partsOf(group)) }));
    const { mean, populationStd } = momentsOf(taught.flatMap(({ sums }) => sums));
    const samples = taught.flatMap(({ group, sums }) =>
      sums.map((sum, branch) => sampleOf(group, branch, (sum - mean) / (populationStd + STD_EPSILON))),
    );
    const statistics = ruleStatistics(groups, samples);
    const zeroSpreadGroups = groups.filter(({ rewards }) => rewards.length > 1).length - taught.length;
    return {
      state: history,
      samples,
      statistics: { ...statistics, zeroSpreadGroups },
    };
  };
}

/** Rewards from one source are the only part. */
function partsOf({ rewards, parts }: RewardedGroup<unknown>): readonly PartRewards[] {
  return parts ?? [{ name: 'reward', weight: 1, rewards }];
}

export const gdpoRuleSpec = defineAdvantageRule({
  name: 'gdpo',
  summary:
    "GDPO's rule for several rewards: each part is normalized within its group, then the weighted sum over the round; with a stage of type combine whose `by` is `gdpo`.",
  fields: { stdFloor: stdFloorField },
  comparesBranches: true,
  creditsEdges: false,
  readsParts: true,
  keeps: 'all',
  create: gdpoRule,
});
