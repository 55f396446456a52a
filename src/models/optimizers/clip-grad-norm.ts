import type { NamedArrays } from './adamw.js';

/**
 * Scales gradients down so that their global norm is at most `maxGradNorm`, above 0 (Infinity only measures). Returns new arrays,
 * and as `gradNorm` the norm before clipping.
 *
 * Equation: g ← g · min(1, maxGradNorm / (‖g‖ + 1e-6)), ‖g‖ = √(Σ over all arrays of g²), as PyTorch's
 * `clip_grad_norm_`. The norm is summed in float64.
 *
 * Departure: if the norm is not finite, the gradients are returned unchanged (PyTorch: NaN everywhere). The caller must check
 * `gradNorm` and skip such a step.
 */
export function clipGradNorm(
  gradients: NamedArrays,
  maxGradNorm: number,
): { readonly gradients: NamedArrays; readonly gradNorm: number } {
  let sum = 0;
  for (const gradient of Object.values(gradients)) {
    for (const value of gradient) sum += value * value;
  }
  const gradNorm = Math.sqrt(sum);
  const scale = maxGradNorm / (gradNorm + 1e-6);
  if (!(scale < 1) || !Number.isFinite(gradNorm)) return { gradients, gradNorm };
  const scaled = Object.entries(gradients).map(([name, gradient]) => [
    name,
    gradient.map((value) => value * scale),
  ]);
  return { gradients: Object.fromEntries(scaled), gradNorm };
}
