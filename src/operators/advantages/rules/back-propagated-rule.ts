import { type AdvantageRule, defineAdvantageRule, hasSpread, stdFloorField } from '../advantage-rule.js';
import { edgeCreditedSamples, nodeMeans } from '../edge-credited-samples.js';
import { type GroupZScoreOptions, groupZScores } from '../group-z-scores.js';
import { ruleStatistics } from '../rule-statistics.js';

/**
 * Creates TreeGRPO's rule: leaves are z-scored inside the group, and each edge gets the mean of the leaves below it. All
 * branches of a group whose rewards differ are kept.
 *
 *     z(l) = (r(l) - mean(group)) / (max(std(group), stdFloor) + 1e-4)
 *     A(edge to n) = mean of z(l) over the leaves l below n
 *
 * Source: TreeGRPO, arXiv 2512.08153. std is that of the population (n). Like `sameDepthRule`, but all depths share one
 * scale: an edge near the root, below which good and bad leaves cancel, weighs less than one near the leaves. A trunk that
 * has not forked gets 0. Every leaf counts alike: leaves are not weighted by their log-prob. Groups whose leaves all have
 * the same reward are counted and skipped.
 *
 * Departure: the 1e-4 is Flow-GRPO's; that of the source was not checked.
 *
 * Errors: TRIB_OPERATOR for a floor below 0, or a group whose tree does not have one leaf per reward.
 */
export function backPropagatedRule(options: GroupZScoreOptions): AdvantageRule {
  const normalize = groupZScores(options);
  return (history, groups) => {
    const samples = groups.filter(hasSpread).flatMap((group) => {
      const zScores = normalize(group.rewards);
      return edgeCreditedSamples(group, (depth) => nodeMeans(group.tree, zScores, depth));
    });
    return { state: history, samples, statistics: ruleStatistics(groups, samples) };
  };
}

export const backPropagatedRuleSpec = defineAdvantageRule({
  name: 'back-propagated',
  summary:
    "TreeGRPO's rule: z-scores of the leaves within their group; every step of the tree is credited with the mean of the leaves below it. Every branch is trained on.",
  fields: { stdFloor: stdFloorField },
  comparesBranches: true,
  creditsEdges: true,
  keeps: 'all',
  create: backPropagatedRule,
});
