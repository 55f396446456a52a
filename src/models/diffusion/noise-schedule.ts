/** @file The noise schedule of a model, DDIM or flow; `config.predictionType` tells the two apart. */
import { at } from '../../at.js';
import { shiftFor } from './dynamic-shift.js';
import type { AnySchedulerConfig, FlowSchedulerConfig, SchedulerConfig } from './scheduler-config.js';

/** A DDIM scheduler's config with the cumulative products that all of its formulas use. */
export interface DdimSchedule {
  readonly config: SchedulerConfig;
  /** ᾱ_t for t = 0..numTrainTimesteps-1: the share of the clean picture's variance that is left at timestep t. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ of what follows the last step: 1 with `setAlphaToOne`, else ᾱ_0. */
  readonly finalAlphaCumprod: number;
}

/** A flow model's schedule for pictures of one size: σ has formulas, so there is no table. */
export interface FlowSchedule {
  readonly config: FlowSchedulerConfig;
  /** How much noise levels are shifted, for pictures of this size: the config's, or by their tokens. */
  readonly shift: number;
}

export type NoiseSchedule = DdimSchedule | FlowSchedule;

/**
 * Returns the schedule that a scheduler config describes.
 *
 * @param imageTokens tokens of a picture, which a dynamic shift depends on; others do not read it.
 * Errors: as `shiftFor`.
 */
export function createNoiseSchedule(config: SchedulerConfig): DdimSchedule;
export function createNoiseSchedule(config: FlowSchedulerConfig, imageTokens?: number): FlowSchedule;
export function createNoiseSchedule(config: AnySchedulerConfig, imageTokens?: number): NoiseSchedule;
export function createNoiseSchedule(config: AnySchedulerConfig, imageTokens?: number): NoiseSchedule {
  if (config.predictionType !== 'flow') return createDdimSchedule(config);
  return { config, shift: shiftFor(config, imageTokens) };
}

/** Says whether a schedule is that of a flow model, whose network predicts velocities. */
export function isFlow(schedule: NoiseSchedule): schedule is FlowSchedule {
  return schedule.config.predictionType === 'flow';
}

/**
 * Equation: ᾱ_t = Π_{u ≤ t} (1 - β_u), where β is linear from betaStart to betaEnd, or the square of a line between
 * their roots (scaled_linear), or min(0.999, 1 - f((t+1)/T) / f(t/T)) with f(x) = cos²((x + 0.008) / 1.008 · π/2)
 * (squaredcos_cap_v2; Nichol and Dhariwal 2021, equation 17).
 *
 * With `zeroTerminalSnr` √ᾱ_t becomes (√ᾱ_t - √ᾱ_T)·√ᾱ_0 / (√ᾱ_0 - √ᾱ_T), T the last timestep (Lin et al. 2023, algorithm
 * 1): ᾱ_0 stays, and ᾱ_T is exactly 0.
 *
 * Departure: float64 throughout (diffusers: float32), so values differ from diffusers' by up to 1e-6 relative.
 */
function createDdimSchedule(config: SchedulerConfig): DdimSchedule {
  const alphasCumprod = new Float64Array(config.numTrainTimesteps);
  let product = 1;
  for (let timestep = 0; timestep < alphasCumprod.length; timestep++) {
    product *= 1 - noiseIncrement(config, timestep);
    alphasCumprod[timestep] = product;
  }
  if (config.zeroTerminalSnr) rescale(alphasCumprod);
  return { config, alphasCumprod, finalAlphaCumprod: config.setAlphaToOne ? 1 : at(alphasCumprod, 0) };
}

/** Moves √ᾱ linearly so that the first stays and the last is 0. */
function rescale(alphasCumprod: Float64Array): void {
  const [first, last] = [Math.sqrt(at(alphasCumprod, 0)), Math.sqrt(at(alphasCumprod, -1))];
  for (const [timestep, alphaProd] of alphasCumprod.entries())
    alphasCumprod[timestep] = (((Math.sqrt(alphaProd) - last) * first) / (first - last)) ** 2;
}

/** β_t of a schedule. */
function noiseIncrement(config: SchedulerConfig, timestep: number): number {
  const { numTrainTimesteps, betaStart, betaEnd } = config;
  const along = timestep / (numTrainTimesteps - 1);
  switch (config.betaSchedule) {
    case 'linear':
      return betaStart + (betaEnd - betaStart) * along;
    case 'scaled_linear':
      return (Math.sqrt(betaStart) + (Math.sqrt(betaEnd) - Math.sqrt(betaStart)) * along) ** 2;
    case 'squaredcos_cap_v2': {
      const kept = (t: number) => Math.cos(((t / numTrainTimesteps + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
      return Math.min(0.999, 1 - kept(timestep + 1) / kept(timestep));
    }
    default:
      return config.betaSchedule satisfies never;
  }
}
