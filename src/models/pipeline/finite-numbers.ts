/** @file Numbers that are not finite: drawn, they are a black picture, which a reward scores and training learns from. */
import { TributaryError } from '../../errors.js';

/** The networks by what they give, and what helps. A checkpoint in one file holds them all. */
const NETWORKS = {
  embeddings: {
    name: 'the text encoder',
    nextStep: 'Look for it in its weights, and in those of adapters and textual inversions.',
  },
  latents: {
    name: 'the network that denoises',
    nextStep:
      'Look for it in its weights and in those of the adapter, such as those of a training that diverged: `tributary sample` without --lora shows which it is.',
  },
  pictures: {
    name: 'the VAE',
    nextStep:
      'Use another copy of it; for SDXL madebyollin/sdxl-vae-fp16-fix, or the original one in float32.',
  },
};

/**
 * Checks what a network gave.
 *
 * Errors: TRIB_MODEL, naming its file, for NaN and Infinity.
 */
export function requireFinite(values: Float32Array, what: keyof typeof NETWORKS, modelPath: string): void {
  const place = values.findIndex((value) => !Number.isFinite(value));
  if (place < 0) return;
  const { name, nextStep } = NETWORKS[what];
  const text = `${modelPath}: expected ${what} of finite numbers from ${name}, got ${values[place]}. ${nextStep}`;
  throw new TributaryError('TRIB_MODEL', text);
}
