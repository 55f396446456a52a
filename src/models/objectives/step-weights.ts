/** @file How much the steps of a trajectory weigh in the loss. */

import type { StepCoefficients } from '../diffusion/step-coefficients.js';

/** The weight of a step before all are scaled to mean 1. W = (k/σ)²: see `StepCoefficients`. */
const WEIGHTINGS = {
  /** All alike, as in DDPO and B²-DiffuRL. */
  none: () => 1,
  /** A log-prob divides by σ², so ½ (x_{i+1} - μ)² remains of each step. */
  variance: ({ stdDevT }: StepCoefficients) => stdDevT ** 2,
  /** Every step contributes the same for the same change of the network's output (the aim of PCPO, 2509.25774). */
  'inverse-w': ({ klWeight }: StepCoefficients) => 1 / klWeight,
  /** The same for the norm of the gradient, which grows with √W. */
  'inverse-sqrt-w': ({ klWeight }: StepCoefficients) => 1 / Math.sqrt(klWeight),
  /** TempFlow-GRPO (2508.04324): the standard deviation of the step, g √|dt| for a flow. */
  'noise-aware': ({ stdDevT }: StepCoefficients) => stdDevT,
  /** All alike except the sampler's last step, which is left out (DanceGRPO). */
  'drop-last': (_: StepCoefficients, isLast: boolean) => (isLast ? 0 : 1),
};

type StepWeighting = keyof typeof WEIGHTINGS;
export const STEP_WEIGHTINGS = Object.keys(WEIGHTINGS) as [StepWeighting, ...StepWeighting[]];

/** Steps below this share of the heaviest one are left out, so that their gradients are not computed. */
const NEGLIGIBLE_SHARE = 0.01;

/**
 * Returns the weight of every step in the loss, for a sampler whose steps are all stochastic. Weights are scaled to mean 1
 * over all steps, so that a step weighs the same whichever others are trained with it. Untrained steps get 0, and so do those
 * below a hundredth of the heaviest trained one.
 *
 * Weights other than `none` avoid a trap: the gradient of a log-prob grows with √W, so the last steps, whose noise is small,
 * make up most of the gradient although they decide hardly anything about the picture.
 */
export function stepWeights(
  coefficients: readonly StepCoefficients[],
  trainedSteps: readonly number[],
  weighting: StepWeighting,
): number[] {
  const trained = new Set(trainedSteps);
  const raw = coefficients.map((step, index) =>
    WEIGHTINGS[weighting](step, index === coefficients.length - 1),
  );
  const kept = withoutNegligible(raw);
  const mean = kept.reduce((sum, weight) => sum + weight, 0) / raw.length;
  const masked = raw.map((weight, step) => (trained.has(step) ? weight : 0));
  return withoutNegligible(masked).map((weight) => weight / mean);
}

function withoutNegligible(weights: readonly number[]): number[] {
  const negligible = NEGLIGIBLE_SHARE * Math.max(...weights);
  return weights.map((weight) => (weight < negligible ? 0 : weight));
}
