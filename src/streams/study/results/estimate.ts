import { studentQuantile } from './student-t.js';

/** A mean over seeds. */
export interface Estimate {
  readonly mean: number;
  /** Half the width of the 95 % interval; null for one seed, which has none. */
  readonly halfWidth: number | null;
  readonly count: number;
}

/**
 * Returns the mean with its 95 % interval by Student's t; null where a value was not measured, or there is none.
 *
 * **Equation**: mean ± t(n - 1) s / √n, with s the sample standard deviation (divided by n - 1).
 */
export function estimate(values: readonly (number | null)[]): Estimate | null {
  const measured = values.filter((value) => value !== null);
  const count = measured.length;
  if (count === 0 || count < values.length) return null;
  const mean = meanOf(measured);
  if (count === 1) return { mean, halfWidth: null, count };
  const variance = measured.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { mean, halfWidth: studentQuantile(count - 1) * Math.sqrt(variance / count), count };
}

/** The mean of at least one number. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
