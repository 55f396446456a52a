import type { StepCoefficients } from '../diffusion/step-coefficients.js';

/** How much the steps of a trajectory weigh in the loss. */
export type StepWeighting = 'none' | 'variance';

/** Steps that weigh less than this share of the heaviest one are left out: their gradients are not even computed. */
const NEGLIGIBLE_SHARE = 0.01;

/**
 * Returns the weight of every sampler step in the loss, with mean 1 over the trained ones; steps before `firstStep` get 0.
 *
 * `none`: all alike, as DDPO and B²-DiffuRL. `variance`: in proportion to σ². A log-prob divides by σ², so the gradients of
 * the last steps, whose σ is small, are large and nearly pure noise: they decide hardly anything about the picture. The
 * weight takes the division back: every step then counts as ½ (x_{i+1} - μ)².
 */
export function stepWeights(
  coefficients: readonly StepCoefficients[],
  firstStep: number,
  weighting: StepWeighting,
): number[] {
  const variances = coefficients.map(({ stdDevT }) => stdDevT ** 2);
  const negligible = NEGLIGIBLE_SHARE * Math.max(...variances.slice(firstStep));
  const raw = variances.map((variance, step) => {
    if (step < firstStep) return 0;
    if (weighting === 'none') return 1;
    return variance < negligible ? 0 : variance;
  });
  const mean = raw.reduce((sum, weight) => sum + weight, 0) / (coefficients.length - firstStep);
  return raw.map((weight) => weight / mean);
}
