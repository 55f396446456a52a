import { oneOf } from '../../../fields.js';
import { requireFloor } from '../../checks/option-checks.js';
import {
  type AdvantageRule,
  defineAdvantageRule,
  hasSpread,
  sampleOf,
  stdFloorField,
} from '../advantage-rule.js';
import { STD_EPSILON } from '../group-z-scores.js';
import { momentsOf } from '../moments.js';
import { ruleStatistics } from '../rule-statistics.js';

export interface LeaveOneOutRuleOptions {
  /** `none` leaves advantages in units of reward; `global-std` divides them by the spread of the round. */
  readonly scale: 'none' | 'global-std';
  /** Least spread to divide by under `global-std`, in units of reward, at least 0. Default 0. */
  readonly stdFloor?: number;
}

/**
 * Creates LOOP's rule: each branch against the mean of the others (REINFORCE leave-one-out). All branches of a group
 * whose rewards differ are kept.
 *
 *     A_b = (r_b - (1 / (B - 1)) Σ_{j ≠ b} r_j) / scale = (B / (B - 1)) (r_b - mean(group)) / scale
 *     scale = 1, or max(std(round), stdFloor) + 1e-4
 *
 * Source: LOOP, arXiv 2503.00897. The baseline of a branch does not depend on its own reward, so it adds no bias. That is
 * the scale `none`; `global-std` is a departure, for clip bounds that expect advantages near 1. std is that of the
 * population, over all rewards of the round. Advantages of a group sum to 0. Groups whose branches all have the same
 * reward are counted and skipped.
 *
 * Errors: TRIB_OPERATOR for a floor below 0.
 */
export function leaveOneOutRule({ scale, stdFloor = 0 }: LeaveOneOutRuleOptions): AdvantageRule {
  requireFloor('groupAdvantages', 'stdFloor', stdFloor, 0);
  return (history, groups) => {
    const round = momentsOf(groups.flatMap(({ rewards }) => rewards));
    const divisor = scale === 'global-std' ? Math.max(round.populationStd, stdFloor) + STD_EPSILON : 1;
    const samples = groups.filter(hasSpread).flatMap((group) => {
      const { count, mean } = momentsOf(group.rewards);
      const widening = count / (count - 1);
      return group.rewards.map((reward, branch) =>
        sampleOf(group, branch, (widening * (reward - mean)) / divisor),
      );
    });
    return { state: history, samples, statistics: ruleStatistics(groups, samples) };
  };
}

export const leaveOneOutRuleSpec = defineAdvantageRule({
  name: 'leave-one-out',
  summary:
    "LOOP's rule (REINFORCE leave-one-out): the reward of a branch minus the mean of the other branches of its group; every branch is trained on.",
  fields: {
    scale: oneOf(['none', 'global-std'])
      .default('none')
      .describe(
        '`none` leaves advantages in units of the reward, as LOOP does; `global-std` divides them by the standard deviation of all rewards of the round, so advClipMax means the same for any reward.',
      ),
    stdFloor: stdFloorField,
  },
  comparesBranches: true,
  creditsEdges: false,
  keeps: 'all',
  create: leaveOneOutRule,
});
