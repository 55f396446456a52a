/** @file What the network took a latent for when a rollout stepped on from it, read from the step that was recorded. */

import { at } from '../../at.js';
import { forwardProcess } from '../diffusion/forward-process.js';
import type { NoiseSchedule } from '../diffusion/noise-schedule.js';
import { stochasticCoefficients } from '../diffusion/stochastic-steps.js';
import type { SamplerSettings } from './sampler.js';
import { samplerRandom } from './sampler.js';

/** A latent of a group, and latents that one sampler step made of it. */
export interface RecordedStep {
  readonly groupIndex: number;
  readonly step: number;
  /** x_i: [C, H, W]. */
  readonly latents: Float32Array;
  /** x_{i+1} of at least one branch, which keys its noise: its index among the nodes after the step. */
  readonly next: readonly { readonly branch: number; readonly latents: Float32Array }[];
}

/**
 * Returns x̂_0 [C, H, W], the clean latent that the network expected at x_i, without running it: whichever policy sampled the
 * group, the step holds its output.
 *
 * Equation: out = mean over branches of (x_{i+1} - σ·n - a·x_i) / k, with the noise n drawn again from its key; x̂_0 is linear
 * in x_i and out (`forwardProcess`).
 *
 * Departure: exact up to the rounding of the stored latents, divided by k: with float16 it is good for pictures and for
 * nothing else.
 */
export function cleanGuess(
  schedule: NoiseSchedule,
  settings: SamplerSettings,
  trainedSteps: readonly number[],
  { groupIndex, step, latents, next }: RecordedStep,
): Float32Array {
  const coefficients = at(stochasticCoefficients(schedule, settings, trainedSteps), step);
  const { stdDevT, sampleCoefficient, outputCoefficient, timestep } = coefficients;
  const mean = new Float64Array(latents.length);
  for (const { branch, latents: after } of next) {
    const noise = stdDevT === 0 ? null : samplerRandom(settings).step({ groupIndex, branch }, step);
    const drawn = noise?.normal(latents.length);
    for (let i = 0; i < mean.length; i++)
      mean[i]! += (after[i]! - (drawn ? stdDevT * drawn[i]! : 0)) / next.length;
  }
  const { latentsCoefficient, outputCoefficient: perOutput } = forwardProcess(
    schedule,
    timestep,
  ).predOriginalSample;
  return latents.map((value, i) => {
    const output = (mean[i]! - sampleCoefficient * value) / outputCoefficient;
    return latentsCoefficient * value + perOutput * output;
  });
}
