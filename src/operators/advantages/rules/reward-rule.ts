import { TributaryError } from '../../../errors.js';
import { number } from '../../../fields.js';
import { type AdvantageRule, defineAdvantageRule, sampleOf } from '../advantage-rule.js';
import { ruleStatistics } from '../rule-statistics.js';

/**
 * Creates the rule that takes the reward itself, shifted and scaled by constants. All branches are kept.
 *
 *     A = (r - center) / scale
 *
 * Source: DPOK, arXiv 2305.16381, which standardizes ImageReward by constants of the reward model. A learned
 * baseline, V(x_i), is subtracted in the trainer, step by step. Nothing is compared: a branch gets the same advantage in
 * any group, and a wrong constant shifts all of them.
 *
 * Errors: TRIB_OPERATOR for a `center` that is not finite or a `scale` that is not above 0.
 */
export function rewardRule({ center, scale }: Record<'center' | 'scale', number>): AdvantageRule {
  if (!Number.isFinite(center)) throw fault('center', 'a finite number', center);
  if (!(Number.isFinite(scale) && scale > 0)) throw fault('scale', 'a finite number above 0', scale);
  return (history, groups) => {
    const samples = groups.flatMap((group) =>
      group.rewards.map((reward, branch) => sampleOf(group, branch, (reward - center) / scale)),
    );
    return { state: history, samples, statistics: ruleStatistics(groups, samples) };
  };
}

function fault(option: string, expected: string, got: number): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `groupAdvantages \`${option}\`: expected ${expected}, got ${got}. Correct the option.`,
  );
}

export const rewardRuleSpec = defineAdvantageRule({
  name: 'reward',
  summary:
    "DPOK's rule: the reward, standardized by constants; every sample is trained on. Needs no branches. Samples are not compared, so set the constants to the mean and spread of the reward.",
  fields: {
    center: number({ from: '(-Infinity', to: 'Infinity)' })
      .default(0)
      .describe('Reward that counts as neither good nor bad, in units of the reward.'),
    scale: number({ from: '(0', to: 'Infinity)' })
      .default(1)
      .describe('A reward this much above `center` has advantage 1, in units of the reward.'),
  },
  comparesBranches: false,
  creditsEdges: false,
  keeps: 'all',
  create: rewardRule,
});
