/**
 * Returns the p-quantile of the distribution Beta(a, a), p in [0, 1] and a in (0, 1].
 *
 * Equation: the x with I_x(a, a) = p, by bisection. For x <= 1/2, where the sum converges fast,
 *   B_x(a, a) = x^a·Σ_n (1-a)_n / n! · x^n / (a + n)
 * (Abramowitz and Stegun 26.5.4 and 15.1.1), B(a, a) = 2·B_½(a, a), and the rest is symmetric. Error: below 1e-14.
 */
export function symmetricBetaQuantile(p: number, a: number): number {
  if (p > 0.5) return 1 - symmetricBetaQuantile(1 - p, a);
  const wanted = p * 2 * incompleteBeta(0.5, a);
  let [low, high] = [0, 0.5];
  // Halving an interval of floats ends where its middle is one of its ends.
  for (let middle = 0.25; middle > low && middle < high; middle = (low + high) / 2) {
    if (incompleteBeta(middle, a) < wanted) low = middle;
    else high = middle;
    if (high < Number.EPSILON * 1e-16) return 0;
  }
  return high;
}

/** B_x(a, a), x in [0, 1/2]. */
function incompleteBeta(x: number, a: number): number {
  let [sum, factor] = [0, 1];
  for (let n = 0; n < 200; n++) {
    const term = factor / (a + n);
    sum += term;
    if (term < sum * Number.EPSILON) break;
    factor *= ((n + 1 - a) / (n + 1)) * x;
  }
  return x ** a * sum;
}
