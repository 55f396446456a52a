/** @file Pretraining of the shapes model: UNet and text encoder together, to predict the noise in a noised picture. */

import { createNoiseSchedule } from '../../diffusion/noise-schedule.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer-contract.js';
import { type Trainee, trainingGraph } from '../../pretraining/trainee.js';
import { counterRandom } from '../../random/counter-random.js';
import { elementCount, float32, int64 } from '../../tensor.js';
import { IMAGE_SHAPE, SCHEDULER, SMALL_UNET, textEncoderConfig } from '../networks/network-sizes.js';
import { smallUnet } from '../networks/small-unet.js';
import { textEncoder } from '../networks/text-encoder.js';
import { drawBatch, type TemplateShares } from './shapes-dataset.js';

export const TEXT_ENCODER_SCOPE = 'text_model';

/** Rows of one run at most, so that its activations stay near the core that computes them. */
const MOST_ROWS = 16;

interface DenoiserTraineeOptions {
  readonly seed: number;
  readonly batchSize: number;
  /** Share of captions that are wrong on purpose, which makes the model plausible but badly aligned. */
  readonly captionCorruption: number;
  /** What differs between the templates of prompts. */
  readonly templates: TemplateShares;
  /** Share of captions that are empty, for classifier-free guidance. */
  readonly captionDropout: number;
}

/** Loss: mean of (ε_θ(√ᾱ_t x₀ + √(1 - ᾱ_t) ε, t, c) - ε)², t uniform over the training timesteps (Ho et al. 2020, eq. 14). */
export function denoiserTrainee(tokenizer: Tokenizer, options: DenoiserTraineeOptions): Trainee {
  const { batchSize, seed } = options;
  const { alphasCumprod } = createNoiseSchedule(SCHEDULER);
  const runSize = largestDivisor(batchSize, MOST_ROWS);
  const shape = [runSize, ...IMAGE_SHAPE];
  const pixels = elementCount(IMAGE_SHAPE);
  const { graph, weights } = trainingGraph((g, source) => {
    const sample = g.input('sample', 'float32', shape);
    const timestep = g.input('timestep', 'int64', [runSize]);
    const inputIds = g.input('input_ids', 'int64', [runSize, tokenizer.modelMaxLength]);
    const noise = g.input('noise', 'float32', shape);
    const layer = { g, weights: source };
    const config = textEncoderConfig(tokenizer);
    const encoderHiddenStates = textEncoder(layer, TEXT_ENCODER_SCOPE, config, inputIds);
    const residual = smallUnet(layer, SMALL_UNET, { sample, timestep, encoderHiddenStates }).sub(noise);
    return residual.mul(residual).meanAll();
  });

  return {
    label: 'denoiser',
    weights,
    graph,
    batch(step) {
      const dataRandom = counterRandom({ seed, purpose: 'pretraining-data', group: step });
      const { images, prompts } = drawBatch({
        batchSize,
        random: dataRandom.uniform,
        captionCorruption: options.captionCorruption,
        templates: options.templates,
        dropout: options.captionDropout,
      });
      const timesteps = counterRandom({ seed, purpose: 'pretraining-timesteps', group: step });
      const chosen = prompts.map(() => timesteps.integer(SCHEDULER.numTrainTimesteps));
      const noise = counterRandom({ seed, purpose: 'pretraining-noise', group: step }).normal(images.length);
      const sample = images.map((pixel, index) => {
        const signal = alphasCumprod[chosen[Math.floor(index / pixels)]!]!;
        return Math.sqrt(signal) * pixel + Math.sqrt(1 - signal) * noise[index]!;
      });
      return Array.from({ length: batchSize / runSize }, (_, run) => {
        const [start, end] = [run * runSize, (run + 1) * runSize];
        const ids = prompts.slice(start, end).flatMap((prompt) => [...tokenizer.encode(prompt)]);
        return {
          sample: float32(sample.slice(start * pixels, end * pixels), shape),
          timestep: int64(chosen.slice(start, end)),
          input_ids: int64(ids, [runSize, tokenizer.modelMaxLength]),
          noise: float32(noise.slice(start * pixels, end * pixels), shape),
        };
      });
    },
  };
}

function largestDivisor(total: number, most: number): number {
  let divisor = Math.min(total, most);
  while (total % divisor !== 0) divisor--;
  return divisor;
}
