import type { RewardedGroup, RuleStatistics, SelectedSample } from '../records/records.js';
import { hasZeroSpread } from './advantage-rule.js';

/**
 * Returns the statistics of one round for a rule whose sign of the advantage tells good from bad.
 *
 * `normalizedRewards[g][b]` belongs to branch b of group g. Default: the rewards as they are, for rules that normalize
 * inside a group (which leaves no variance between groups) or by the same numbers for the whole round (a shift and a
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

/**
 * Returns the intra-class correlation of values inside groups: the share of the variance that lies between groups.
 *
 *     ICC(1) = (MSB - MSW) / (MSB + (n0 - 1) MSW)       Shrout and Fleiss 1979; n0 = (N - Σ n_g² / N) / (G - 1)
 *
 * MSB and MSW are the mean squares between and within the G groups of n_g values, N in all. Near 1, the shared prefix
 * decides the reward and the branches hardly matter; at or below 0, branches of one group differ as much as those of different groups.
 *
 * Units: at most 1; null with fewer than two groups, no group of two values, or no variance at all.
 */
export function intraGroupCorrelation(groups: readonly (readonly number[])[]): number | null {
  const filled = groups.filter((values) => values.length > 0);
  const numGroups = filled.length;
  const numValues = filled.reduce((sum, values) => sum + values.length, 0);
  if (numGroups < 2 || numValues === numGroups) return null;
  const mean = filled.flat().reduce((sum, value) => sum + value, 0) / numValues;
  let squaresBetween = 0;
  let squaresWithin = 0;
  let squaredSizes = 0;
  for (const values of filled) {
    const groupMean = values.reduce((sum, value) => sum + value, 0) / values.length;
    squaresBetween += values.length * (groupMean - mean) ** 2;
    squaredSizes += values.length ** 2;
    for (const value of values) squaresWithin += (value - groupMean) ** 2;
  }
  const between = squaresBetween / (numGroups - 1);
  const within = squaresWithin / (numValues - numGroups);
  const typicalSize = (numValues - squaredSizes / numValues) / (numGroups - 1);
  const total = between + (typicalSize - 1) * within;
  return total > 0 ? (between - within) / total : null;
}
