import { TributaryError } from '../../errors.js';
import type { FlowSchedulerConfig } from './scheduler-config.js';

/** Beyond it, noise levels near 0 or 1 cannot be told apart. */
export const MOST_SHIFT = 1000;

/**
 * Returns how much the noise levels of a picture of so many tokens are shifted.
 *
 * Equation (Esser et al. 2024, section 5.3.2; `calculate_shift` of diffusers' pipelines and `time_shift` of its scheduler):
 * μ = baseShift + (maxShift - baseShift)·(tokens - baseTokens) / (maxTokens - baseTokens), and the shift is e^μ
 * (`exponential`) or μ (`linear`): e^μ / (e^μ + 1/σ - 1) is the static shift's formula at e^μ.
 *
 * Units: tokens of the picture alone, (h/p)·(w/p) of latents [h, w] in squares of side p.
 * Errors: TRIB_MODEL where the network has no tokens, TRIB_CONFIG where the shift leaves [1/1000, 1000] at this size.
 */
export function shiftFor({ shift, dynamicShift }: FlowSchedulerConfig, imageTokens?: number): number {
  if (!dynamicShift) return shift;
  if (imageTokens === undefined) {
    throw new TributaryError(
      'TRIB_MODEL',
      'scheduler_config.json use_dynamic_shifting: expected false for a network that has no tokens to count, got true. Write false, and the shift that the model was trained with.',
    );
  }
  const { type, baseShift, maxShift, baseTokens, maxTokens } = dynamicShift;
  const mu = baseShift + ((maxShift - baseShift) * (imageTokens - baseTokens)) / (maxTokens - baseTokens);
  const shiftHere = type === 'exponential' ? Math.exp(mu) : mu;
  if (shiftHere >= 1 / MOST_SHIFT && shiftHere <= MOST_SHIFT) return shiftHere;
  throw new TributaryError(
    'TRIB_CONFIG',
    `scheduler_config.json use_dynamic_shifting: expected a shift in [${1 / MOST_SHIFT}, ${MOST_SHIFT}] for pictures of ${imageTokens} tokens, got ${shiftHere}. Draw other sizes (stages.sampler.width, height), or correct base_shift and max_shift.`,
  );
}
