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
 * Equation: mean ± t(n - 1) s / √n, with s the sample standard deviation (divided by n - 1).
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

/** 97.5 % quantiles of Student's t with 1 to 30 degrees of freedom. */
const QUANTILES = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604,
  2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555,
  2.0518, 2.0484, 2.0452, 2.0423,
];

/** 97.5 % quantile of the standard normal distribution. */
const Z = 1.959964;

/**
 * Returns the 97.5 % quantile of Student's t: half of a 95 % interval, in standard errors.
 *
 * Equation: up to 30 degrees of freedom from a table; beyond, the expansion in 1/ν about the normal quantile z,
 * z + (z³ + z) / 4ν + (5z⁵ + 16z³ + 3z) / 96ν² (Abramowitz & Stegun 26.7.5, its first terms), right within 1e-4.
 *
 * @param degrees Degrees of freedom ν, a whole number of at least 1.
 */
export function studentQuantile(degrees: number): number {
  const tabled = QUANTILES[degrees - 1];
  if (tabled !== undefined) return tabled;
  const first = (Z ** 3 + Z) / (4 * degrees);
  const second = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * degrees ** 2);
  return Z + first + second;
}
