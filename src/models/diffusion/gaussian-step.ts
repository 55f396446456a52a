import type { InferenceStep } from './inference-timesteps.js';

/**
 * Everything about one sampler step that does not depend on the latents: it draws from N(μ, σ²) with
 * μ = a·latents + k·modelOutput. All numbers are float64.
 */
export interface StepCoefficients extends InferenceStep {
  /** σ: standard deviation of the noise that the step adds; 0 where the step is deterministic. */
  readonly stdDevT: number;
  /** a and k in prevSampleMean = a·latents + k·modelOutput. */
  readonly sampleCoefficient: number;
  readonly outputCoefficient: number;
  /** W = (k/σ)²: how strongly a change of the network's output moves the mean, in units of σ. Infinity if σ = 0. */
  readonly klWeight: number;
}

/** Adds the weight that follows from a step's other coefficients. */
export function withKlWeight<Step extends Omit<StepCoefficients, 'klWeight'>>(
  step: Step,
): Step & Pick<StepCoefficients, 'klWeight'> {
  const { stdDevT, outputCoefficient } = step;
  return { ...step, klWeight: stdDevT === 0 ? Number.POSITIVE_INFINITY : (outputCoefficient / stdDevT) ** 2 };
}
