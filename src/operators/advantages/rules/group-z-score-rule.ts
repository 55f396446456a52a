import { oneOf } from '../../../fields.js';
import {
  type AdvantageRule,
  defineAdvantageRule,
  hasSpread,
  sampleOf,
  stdFloorField,
} from '../advantage-rule.js';
import { type GroupZScoreOptions, groupZScores } from '../group-z-scores.js';
import { momentsOf } from '../moments.js';
import { ruleStatistics } from '../rule-statistics.js';

interface GroupZScoreRuleOptions extends GroupZScoreOptions {
  /** Whose standard deviation divides: that of the group, or that of all rewards of the round. */
  readonly std: 'group' | 'global';
}

/**
 * Creates GRPO's rule: z-score inside the group. All branches of a group whose rewards differ are kept.
 *
 *     A_b = (r_b - mean(group)) / (max(std, stdFloor) + 1e-4),   std that of the group or of the whole round
 *
 * Source: Flow-GRPO, arXiv 2505.05470, and yifan123/flow_grpo, `flow_grpo/stat_tracking.py` (`global_std`). std is that
 * of the population (n). With the std of the group, a group that hardly differs weighs as much as one that differs a lot;
 * with that of the round, advantages keep the proportions between groups. Advantages of a group sum to 0. Groups whose
 * branches all have the same reward are counted and skipped; their rewards still count for the std of the round.
 *
 * Departure: there all samples of a prompt in an epoch are one group; here two tickets of one prompt are two groups, as
 * their branches may have grown from different prefixes.
 *
 * Errors: TRIB_OPERATOR for a floor below 0.
 */
export function groupZScoreRule({ std, ...options }: GroupZScoreRuleOptions): AdvantageRule {
  const normalize = groupZScores(options);
  return (history, groups) => {
    const round = momentsOf(groups.flatMap(({ rewards }) => rewards));
    const divisor = std === 'global' ? round.populationStd : undefined;
    const samples = groups
      .filter(hasSpread)
      .flatMap((group) =>
        normalize(group.rewards, divisor).map((advantage, branch) => sampleOf(group, branch, advantage)),
      );
    return { state: history, samples, statistics: ruleStatistics(groups, samples) };
  };
}

export const groupZScoreRuleSpec = defineAdvantageRule({
  name: 'group-z-score',
  summary:
    "GRPO's rule: the reward of a branch minus the mean of its group, divided by a standard deviation; every branch is trained on, and no history is kept.",
  fields: {
    std: oneOf(['group', 'global'])
      .default('group')
      .describe(
        'Standard deviation to divide by: `group` gives all groups the same weight, however little their branches differ; `global` uses that of the whole round, as Flow-GRPO does.',
      ),
    stdFloor: stdFloorField,
  },
  comparesBranches: true,
  creditsEdges: false,
  keeps: 'all',
  create: groupZScoreRule,
});
