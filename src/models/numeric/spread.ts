/** Mean and population standard deviation of a figure over pictures. */
export interface Spread {
  readonly mean: number;
  readonly std: number;
}

/** Measures at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(variance) };
}
