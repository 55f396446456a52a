import { type AdvantageRule, defineAdvantageRule, hasSpread, stdFloorField } from '../advantage-rule.js';
import { edgeCreditedSamples, nodeMeans } from '../edge-credited-samples.js';
import { type GroupZScoreOptions, groupZScores } from '../group-z-scores.js';
import { ruleStatistics } from '../rule-statistics.js';

/**
 * Creates BranchGRPO's rule: z-score among the nodes of the same depth of a tree; each edge is credited with the node it
 * leads to. All branches of a group whose rewards differ are kept.
 *
 *     V(n) = mean of the rewards of the leaves below n
 *     A(edge to n) = (V(n) - mean(depth)) / (max(std(depth), stdFloor) + 1e-4)
 *
 * Source: BranchGRPO, arXiv 2509.06040, with the plain mean of leaves (not the one weighted by log-probs). mean and std
 * (population) are over the nodes of that depth in one group. The spread of node values shrinks toward the root, as means
 * of many leaves do; the z-score makes the edges of all depths weigh alike again. Depths whose nodes are all equal, a trunk
 * that has not forked among them, give 0. Groups whose leaves all have the same reward are counted and skipped.
 *
 * Departure: the 1e-4 is Flow-GRPO's; that of the source was not checked.
 *
 * Errors: TRIB_OPERATOR for a floor below 0, or a group whose tree does not have one leaf per reward.
 */
export function sameDepthRule(options: GroupZScoreOptions): AdvantageRule {
  const normalize = groupZScores(options);
  return (history, groups) => {
    const samples = groups
      .filter(hasSpread)
      .flatMap((group) =>
        edgeCreditedSamples(group, (depth) => normalize(nodeMeans(group.tree, group.rewards, depth))),
      );
    return { state: history, samples, statistics: ruleStatistics(groups, samples) };
  };
}

export const sameDepthRuleSpec = defineAdvantageRule({
  name: 'same-depth',
  summary:
    "BranchGRPO's rule: every step of a tree is credited with the node it leads to, compared with the other nodes of the same depth; a node's reward is the mean of its leaves. Every branch is trained on.",
  fields: { stdFloor: stdFloorField },
  comparesBranches: true,
  creditsEdges: true,
  keeps: 'all',
  create: sameDepthRule,
});
