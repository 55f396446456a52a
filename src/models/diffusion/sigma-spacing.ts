import { at } from '../../at.js';
import { symmetricBetaQuantile } from '../numeric/beta-quantile.js';
import type { SigmaSpacing } from './scheduler-config.js';

/** Both parameters of the distribution that the `beta` spacing takes quantiles of. */
const BETA_SHAPE = 0.6;
/** The exponent of the `karras` spacing. */
const RHO = 7;

/**
 * Returns as many noise levels as given, from the first of them to the last, spaced otherwise. The last stays above 0.
 *
 * Equation (u_i = i/(S-1), from σ_0 to σ_e), as diffusers' `_convert_to_karras`, `_convert_to_exponential` and
 * `_convert_to_beta`:
 *   karras       (σ_0^(1/7) + u_i·(σ_e^(1/7) - σ_0^(1/7)))^7          Karras et al. 2022, equation 5
 *   exponential  σ_0^(1-u_i)·σ_e^(u_i)
 *   beta         σ_0 - (σ_0 - σ_e)·F⁻¹(u_i), F of the distribution Beta(0.6, 0.6)    Lee et al. 2024, 2407.12173
 */
export function spacedSigmas(spacing: SigmaSpacing, sigmas: readonly number[]): readonly number[] {
  const [first, last] = [at(sigmas, 0), at(sigmas, -1)];
  const steps = Math.max(1, sigmas.length - 1);
  return sigmas.map((_, i) => between(spacing, first, last, i / steps));
}

function between(spacing: SigmaSpacing, first: number, last: number, along: number): number {
  switch (spacing) {
    case 'karras':
      return (first ** (1 / RHO) + along * (last ** (1 / RHO) - first ** (1 / RHO))) ** RHO;
    case 'exponential':
      return first ** (1 - along) * last ** along;
    case 'beta':
      return first - (first - last) * symmetricBetaQuantile(along, BETA_SHAPE);
    default:
      return spacing satisfies never;
  }
}
