import type { StepCoefficients } from '../diffusion/step-coefficients.js';

/** How much the steps of a trajectory weigh in the loss. */
export type StepWeighting = 'none' | 'variance';

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
  const raw = coefficients.map(({ stepIndex, stdDevT }) => {
    if (stepIndex < firstStep) return 0;
    return weighting === 'none' ? 1 : stdDevT ** 2;
  });
  const mean = raw.reduce((sum, weight) => sum + weight, 0) / (coefficients.length - firstStep);
  return raw.map((weight) => weight / mean);
}
