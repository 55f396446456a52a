import { requireFloor } from '../checks/option-checks.js';
import { momentsOf } from './moments.js';

/** Added to every standard deviation, as Flow-GRPO does. */
export const STD_EPSILON = 1e-4;

export interface GroupZScoreOptions {
  /** Least standard deviation to divide by, in units of reward, at least 0. Default 0, as released. */
  readonly stdFloor?: number;
}

/** Normalizes values that are compared with each other; `std` replaces their own standard deviation. */
type GroupNormalizer = (values: readonly number[], std?: number) => number[];

/**
 * Creates the normalization of values by their own mean and spread.
 *
 *     z = (x - mean) / (max(std, stdFloor) + 1e-4)
 *
 * Source: yifan123/flow_grpo, `flow_grpo/stat_tracking.py`. std is that of the population (n), as numpy's default is.
 * Values that are all equal give exactly 0, whatever the rounding of their mean.
 *
 * Errors: TRIB_OPERATOR for a floor below 0.
 */
export function groupZScores({ stdFloor = 0 }: GroupZScoreOptions): GroupNormalizer {
  requireFloor('groupAdvantages', 'stdFloor', stdFloor, 0);
  return (values, std) => {
    if (values.every((value) => value === values[0])) return values.map(() => 0);
    const { mean, populationStd } = momentsOf(values);
    return values.map((value) => (value - mean) / (Math.max(std ?? populationStd, stdFloor) + STD_EPSILON));
  };
}
