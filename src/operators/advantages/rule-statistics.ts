import type { RewardedGroup, RuleStatistics, SelectedSample } from '../records/records.js';
import { hasZeroSpread } from './advantage-rule.js';
import { intraGroupCorrelation } from './intra-group-correlation.js';

/**
 * Returns what a rule that tells good from bad by the sign of the advantage says of one round.
 *
 * `normalizedRewards[g][b]` belongs to branch b of group g. Default: the rewards as they are, for rules that normalize
 * inside a group (there no variance is left between groups) or by the same numbers for the whole round (a shift and a
 * scale change no correlation).
 */
export function ruleStatistics(
  groups: readonly RewardedGroup<unknown>[],
  samples: readonly SelectedSample<unknown>[],
  normalizedRewards: readonly (readonly number[])[] = groups.map(({ rewards }) => rewards),
): RuleStatistics {
  return {
    zeroSpreadGroups: groups.filter(hasZeroSpread).length,
    selectedBest: samples.filter(({ advantage }) => advantage > 0).length,
    selectedWorst: samples.filter(({ advantage }) => advantage < 0).length,
    intraGroupCorrelation: intraGroupCorrelation(normalizedRewards),
  };
}
