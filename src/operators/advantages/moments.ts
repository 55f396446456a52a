/** Mean and spread of some numbers, in float64. */
interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Square root of Σ(x - mean)² / n. */
  readonly populationStd: number;
  /** Square root of Σ(x - mean)² / (n - 1); 0 for a single number, where it is undefined. */
  readonly unbiasedStd: number;
}

/** Returns the moments of some numbers, all 0 for none. Two passes, so that a large mean costs no digits. */
export function momentsOf(values: readonly number[]): Moments {
  const count = values.length;
  if (count === 0) return { count, mean: 0, populationStd: 0, unbiasedStd: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    count,
    mean,
    populationStd: Math.sqrt(squares / count),
    unbiasedStd: count === 1 ? 0 : Math.sqrt(squares / (count - 1)),
  };
}
