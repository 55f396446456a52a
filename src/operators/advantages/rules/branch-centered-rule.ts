import { at } from '../../../at.js';
import { number, oneOf } from '../../../fields.js';
import { requireFloor } from '../../checks/option-checks.js';
import {
  type AdvantageRule,
  defineAdvantageRule,
  extremesOf,
  hasZeroSpread,
  sampleOf,
  stdFloorField,
} from '../advantage-rule.js';
import { momentsOf } from '../moments.js';
import { historyRoundsField, type PromptPoolOptions, promptZScores } from '../prompt-z-scores.js';
import { ruleStatistics } from '../rule-statistics.js';

interface BranchCenteredRuleOptions extends PromptPoolOptions {
  /** Least gap between the best and the worst z of a group that is kept, at least 0. */
  readonly minGap: number;
  /** Which branches of a kept group become samples. */
  readonly keep: 'extremes' | 'all';
}

/**
 * Creates the rule that credits a branch with its own steps alone: its z minus the mean z of its group.
 *
 *     A_b = z_b - (1/B) Σ_j z_j,   kept iff max z - min z >= minGap and the rewards of the group differ
 *
 * z is that of `promptZScores`; the mean of the pool cancels, so the pool only sets the scale. Advantages of a group sum to 0
 * before selection. Groups whose branches all have the same reward are counted and skipped, whatever `minGap`.
 *
 * Departure: this is not in the B²-DiffuRL release, whose advantage is z itself (`historyRule`).
 *
 * Errors: TRIB_OPERATOR for a negative or infinite `minGap`.
 */
export function branchCenteredRule(options: BranchCenteredRuleOptions): AdvantageRule {
  const { minGap, keep } = options;
  requireFloor('groupAdvantages', 'minGap', minGap, 0);
  const normalize = promptZScores(options);
  return (history, groups) => {
    const { zScores, state } = normalize(history, groups);
    const samples = groups.flatMap((group, index) => {
      const z = at(zScores, index);
      if (hasZeroSpread(group) || Math.max(...z) - Math.min(...z) < minGap) return [];
      const { mean } = momentsOf(z);
      const branches = keep === 'all' ? z.keys() : extremesOf(z);
      return Array.from(branches, (branch) => sampleOf(group, branch, at(z, branch) - mean));
    });
    return { state, samples, statistics: ruleStatistics(groups, samples, zScores) };
  };
}

export const branchCenteredRuleSpec = defineAdvantageRule({
  name: 'branch-centered',
  summary:
    'The advantage of a branch is its z minus the mean z of its group, which cancels the luck of the shared prefix.',
  fields: {
    minGap: number({ from: '[0', to: 'Infinity)' })
      .default(0.5)
      .describe(
        'A group is trained on if the z-scores of its best and worst branch are at least this far apart. Higher leaves out groups whose branches hardly differ.',
      ),
    keep: oneOf(['extremes', 'all'])
      .default('extremes')
      .describe(
        '`extremes` trains on the best and the worst branch; `all` on every branch, which costs numBranches / 2 times as much.',
      ),
    historyRounds: historyRoundsField,
    stdFloor: stdFloorField,
  },
  comparesBranches: true,
  creditsEdges: false,
  keeps: 'extremes',
  create: branchCenteredRule,
});
