/**
 * @file Statistics of the evidence: correlation inside groups, the share of a gradient that is signal, standard
 * errors.
 */

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean over seeds and its standard error, the deviation (n - 1) over √n. */
export function meanAndError(values) {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return { mean: center, error: Math.sqrt(squares / (values.length - 1) / values.length) };
}

/**
 * Returns the intra-class correlation of groups that are nested in prompts: how much of the variance that a prompt
 * leaves lies between its prefixes.
 *
 *     ICC = (MSB - MSW) / (MSB + (n - 1) MSW)      MSB = Σ_g n (mean_g - mean_prompt)² / (G - P)
 *
 * G groups of n values, P prompts. It differs from `intraGroupCorrelation` in the degrees of freedom of MSB alone:
 * values that were centered per prompt have G - P, not G - 1, between groups, so ICC(1) of them is too low. Null
 * without variance.
 */
export function correlationWithinPrompts(groups) {
  const byPrompt = new Map();
  for (const group of groups) byPrompt.set(group.prompt, [...(byPrompt.get(group.prompt) ?? []), group]);
  const size = groups[0].values.length;
  let between = 0;
  let within = 0;
  for (const siblings of byPrompt.values()) {
    const center = mean(siblings.flatMap(({ values }) => values));
    for (const { values } of siblings) {
      const groupMean = mean(values);
      between += size * (groupMean - center) ** 2;
      within += values.reduce((sum, value) => sum + (value - groupMean) ** 2, 0);
    }
  }
  const meanBetween = between / (groups.length - byPrompt.size);
  const meanWithin = within / (groups.length * (size - 1));
  const total = meanBetween + (size - 1) * meanWithin;
  return total > 0 ? (meanBetween - meanWithin) / total : null;
}

/** Returns all inner products of the vectors: `products[i][j]`. */
export function innerProducts(vectors) {
  return vectors.map((left) => vectors.map((right) => dot(left, right)));
}

function dot(left, right) {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i] * right[i];
  return sum;
}

/**
 * Returns the share of a gradient's square that independent chunks have in common.
 *
 *     share = mean_{i != j} <g_i, g_j> / mean_i <g_i, g_i>
 *
 * For g_i = μ + noise of mean 0 it estimates |μ|² / (|μ|² + E|noise|²): 0 where chunks agree by chance alone, 1 where
 * all are equal. `chosen` picks chunks; default all.
 */
export function signalShare(products, chosen = products.map((_, index) => index)) {
  let [diagonal, all] = [0, 0];
  for (const i of chosen) {
    diagonal += products[i][i];
    for (const j of chosen) all += products[i][j];
  }
  return (all - diagonal) / (chosen.length - 1) / diagonal;
}

/**
 * Signal share over all pairs of chunks, of one seed or of two, with the jackknife's standard error (leave out one
 * chunk): √((n - 1)/n Σ (share_{-i} - mean)²). Where there is no signal it is too large by up to √2.
 */
export function shareOfAllPairs(products) {
  const chunks = products.map((_, index) => index);
  const without = chunks.map((left) =>
    signalShare(
      products,
      chunks.filter((index) => index !== left),
    ),
  );
  const center = mean(without);
  const squares = without.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return {
    mean: signalShare(products),
    error: Math.sqrt(((chunks.length - 1) / chunks.length) * squares),
  };
}

/** `0.123 ± 0.045`. */
export function withError({ mean: value, error }, digits = 3) {
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}
