import type { LogProbKind } from './ddim-step.js';
import type { NoiseSchedule } from './noise-schedule.js';
import { type SdeName, type StepCoefficients, samplerCoefficients } from './step-coefficients.js';

/** Which steps of a rollout draw noise, and how much. */
export interface StochasticSettings {
  readonly numInferenceSteps: number;
  /** DDIM: share of the variance that is sampled, in [0, 1]. Flows: the level of the SDE. */
  readonly eta: number;
  /** `trained`: the trained steps alone (MixGRPO); `none`: the pictures of forward-process surrogates. */
  readonly stochasticSteps: 'all' | 'trained' | 'none';
  /** How flow models add noise; models with DDIM steps ignore it. */
  readonly sde: SdeName;
  /** What stands for the log-prob of a step; default `gaussian`. */
  readonly logProb?: LogProbKind;
}

/**
 * Returns how many steps of a sampler draw noise if all may, counted from the first: S, or S - 1 if the last one is
 * deterministic for every eta. That is so if a DDIM schedule arrives at the clean picture (`setAlphaToOne`), or starts from
 * timestep 0 with leading or linspace spacing, and for every flow under `cps`. Such a step is sampled but never trained.
 *
 * Errors: TRIB_CONFIG if numInferenceSteps does not fit the model.
 */
export function noisySteps(
  schedule: NoiseSchedule,
  numInferenceSteps: number,
  sde: SdeName = 'flow-grpo',
): number {
  const steps = samplerCoefficients(schedule, numInferenceSteps, { eta: 1, sde });
  return steps.findLastIndex(({ stdDevT }) => stdDevT > 0) + 1;
}

/** Returns the coefficients of all steps of a rollout. Steps that the round does not train may be deterministic. */
export function stochasticCoefficients(
  schedule: NoiseSchedule,
  { numInferenceSteps, eta, stochasticSteps, sde }: StochasticSettings,
  trainedSteps: readonly number[],
): readonly StepCoefficients[] {
  const trained = new Set(trainedSteps);
  const isStochastic = (step: number) =>
    stochasticSteps === 'all' || (stochasticSteps === 'trained' && trained.has(step));
  return samplerCoefficients(schedule, numInferenceSteps, { eta, sde, isStochastic });
}
