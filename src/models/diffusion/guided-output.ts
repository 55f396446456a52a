import { TributaryError } from '../../errors.js';

/**
 * Says whether a guidance scale guides: w > 1, as `do_classifier_free_guidance` of diffusers' SD and SDXL pipelines does.
 * At 1 and below, down to the 0 that the cards of turbo models ask for, the output is the conditional one alone.
 */
export const usesGuidance = (guidanceScale: number): boolean => guidanceScale > 1;

/**
 * Returns the network output under classifier-free guidance.
 *
 * Equation: out = out_uncond + w·(out_cond - out_uncond) (Ho and Salimans 2022, equation 6, in the form of diffusers).
 * Shapes: both [B, ...] float32, of equal length; returns the same. Only for a scale that `usesGuidance`.
 * The policy's mean comes from the guided output, in sampling and in training. Guidance rescale is not offered.
 */
export function guidedOutput(
  unconditional: Float32Array,
  conditional: Float32Array,
  guidanceScale: number,
): Float32Array {
  if (unconditional.length !== conditional.length) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `guidedOutput conditional: expected ${unconditional.length} values as in unconditional, ` +
        `got ${conditional.length}. Run both on the same latents.`,
    );
  }
  const guided = new Float32Array(unconditional.length);
  for (let i = 0; i < guided.length; i++) {
    guided[i] = unconditional[i]! + guidanceScale * (conditional[i]! - unconditional[i]!);
  }
  return guided;
}
