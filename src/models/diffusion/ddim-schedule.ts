import type { SchedulerConfig } from './scheduler-config.js';

/** A DDIM scheduler's config with the cumulative products that all of its formulas use. */
export interface DdimSchedule {
  readonly config: SchedulerConfig;
  /** ᾱ_t for t = 0..numTrainTimesteps-1: the share of the clean picture's variance that is left at timestep t. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ of what follows the last step: 1 with `setAlphaToOne`, else ᾱ_0. */
  readonly finalAlphaCumprod: number;
}

/**
 * Returns the noise schedule that a DDIM scheduler's config describes.
 *
 * Equation: ᾱ_t = Π_{u ≤ t} (1 - β_u), where β is linear from betaStart to betaEnd, or the square of a line between
 * their roots (scaled_linear), or min(0.999, 1 - f((t+1)/T) / f(t/T)) with f(x) = cos²((x + 0.008) / 1.008 · π/2)
 * (squaredcos_cap_v2; Nichol and Dhariwal 2021, equation 17).
 *
 * Deviation: float64 throughout (diffusers: float32), so its values differ from diffusers' by up to 1e-6 relative.
 */
export function createDdimSchedule(config: SchedulerConfig): DdimSchedule {
  const alphasCumprod = new Float64Array(config.numTrainTimesteps);
  let product = 1;
  for (let timestep = 0; timestep < alphasCumprod.length; timestep++) {
    product *= 1 - noiseIncrement(config, timestep);
    alphasCumprod[timestep] = product;
  }
  return { config, alphasCumprod, finalAlphaCumprod: config.setAlphaToOne ? 1 : alphasCumprod[0]! };
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
