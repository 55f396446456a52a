/**
 * @file Noise levels of a flow matching model. σ in [0, 1] is the share of noise in x_σ = (1 - σ)·x_0 + σ·n; the network's
 * timestep is σ · numTrainTimesteps.
 */
import { requireNumInferenceSteps } from './inference-timesteps.js';
import type { FlowSchedule } from './noise-schedule.js';
import type { FlowSchedulerConfig } from './scheduler-config.js';

/** Shifts a noise level in [0, 1]: shift·σ / (1 + (shift - 1)·σ); 0 and 1 stay (Esser et al. 2024, equation 23). */
export function shiftSigma({ shift }: FlowSchedulerConfig, sigma: number): number {
  // In this form 1 stays exactly 1, which the first SDE step depends on.
  return (shift * sigma) / (shift * sigma + (1 - sigma));
}

/**
 * Returns the noise levels that a sampler of `numInferenceSteps` steps visits and, last, the 0 that it arrives at: S + 1
 * numbers, falling from 1.
 *
 * Equation (T training timesteps, S steps; shift as `shiftSigma`), as diffusers' `FlowMatchEulerDiscreteScheduler`:
 * σ_i = shift(1 - (1 - σ_min)·i/(S-1)), σ_min = shift(1/T). So the least level is shifted twice, as it is there.
 *
 * Departure: float64 throughout (diffusers: float32), so values differ by up to 1e-6.
 *
 * Errors: TRIB_CONFIG if numInferenceSteps is not an integer in 1..T.
 */
export function flowSigmas({ config }: FlowSchedule, numInferenceSteps: number): readonly number[] {
  requireNumInferenceSteps(numInferenceSteps, config.numTrainTimesteps);
  const least = shiftSigma(config, 1 / config.numTrainTimesteps);
  const gap = (1 - least) / Math.max(1, numInferenceSteps - 1);
  const levels = Array.from({ length: numInferenceSteps }, (_, i) => shiftSigma(config, 1 - i * gap));
  return [...levels, 0];
}
