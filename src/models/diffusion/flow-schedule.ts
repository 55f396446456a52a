/**
 * @file Noise levels of a flow matching model. σ in [0, 1] is the share of noise in x_σ = (1 - σ)·x_0 + σ·n; the network's
 * timestep is σ · numTrainTimesteps.
 */
import { at } from '../../at.js';
import { requireNumInferenceSteps } from './inference-timesteps.js';
import type { FlowSchedule } from './noise-schedule.js';
import { spacedSigmas } from './sigma-spacing.js';

/** Shifts a noise level in [0, 1]: shift·σ / (1 + (shift - 1)·σ); 0 and 1 stay (Esser et al. 2024, equation 23). */
export function shiftSigma({ shift }: Pick<FlowSchedule, 'shift'>, sigma: number): number {
  // In this form 1 stays exactly 1, which the first SDE step depends on.
  return (shift * sigma) / (shift * sigma + (1 - sigma));
}

/**
 * Returns the noise levels that a sampler of `numInferenceSteps` steps visits and, last, the 0 that it arrives at: S + 1
 * numbers, falling from 1.
 *
 * Equation (T training timesteps, S steps; shift as `shiftSigma`), as diffusers' `FlowMatchEulerDiscreteScheduler`, called
 * with a number of steps:
 *   σ_i = shift(1 - (1 - σ_min)·i/(S-1)), σ_min = shift(1/T), with a dynamic shift 1/T
 * So the least level is shifted twice with a static shift, as it is there. `shiftTerminal` z then stretches the levels to
 * 1 - (1 - σ_i)·(1 - z)/(1 - σ_{S-1}), and a spacing replaces those between the first and the last (`spacedSigmas`).
 *
 * Departure: float64 throughout (diffusers: float32), so values differ by up to 1e-6. A single step starts at 1 whatever the
 * terminal shift, which is 0/0 in diffusers.
 *
 * Errors: TRIB_CONFIG if numInferenceSteps is not an integer in 1..T.
 */
export function flowSigmas(schedule: FlowSchedule, numInferenceSteps: number): readonly number[] {
  const { numTrainTimesteps, dynamicShift, shiftTerminal, sigmaSpacing } = schedule.config;
  requireNumInferenceSteps(numInferenceSteps, numTrainTimesteps);
  const finest = 1 / numTrainTimesteps;
  const least = dynamicShift ? finest : shiftSigma(schedule, finest);
  const gap = (1 - least) / Math.max(1, numInferenceSteps - 1);
  const shifted = Array.from({ length: numInferenceSteps }, (_, i) => shiftSigma(schedule, 1 - i * gap));
  const stretched = shiftTerminal === undefined ? shifted : stretchTo(shiftTerminal, shifted);
  return [...(sigmaSpacing ? spacedSigmas(sigmaSpacing, stretched) : stretched), 0];
}

function stretchTo(terminal: number, sigmas: readonly number[]): readonly number[] {
  if (sigmas.length === 1) return sigmas;
  const factor = (1 - terminal) / (1 - at(sigmas, -1));
  return sigmas.map((sigma) => 1 - (1 - sigma) * factor);
}
