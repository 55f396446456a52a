/** @file Training of the reward model on drawn pictures, their prompts and near misses. */

import type { Tokenizer } from '../diffusion/tokenizer.js';
import * as op from '../graph/ops/index.js';
import type { Trainee } from '../pretraining/trainee.js';
import { trainingGraph } from '../pretraining/trainee.js';
import type { CounterRandom } from '../random/counter-random.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount, float32, int64 } from '../tensor.js';
import { hardNegatives } from './near-miss.js';
import { IMAGE_SHAPE } from './networks.js';
import { allPrompts } from './prompt-lists.js';
import { imageEncoder, promptEncoder } from './reward-network.js';
import { drawBatch, drawPicture } from './shapes-dataset.js';

export interface RewardTraineeOptions {
  readonly seed: number;
  readonly batchSize: number;
  /** Prompts that each picture is compared with: its own, near misses, and others. */
  readonly candidates: number;
  /** Most standard deviation of the noise that pictures get, so that the reward reads imperfect pictures too. */
  readonly imageNoise: number;
  /** Share of pictures that are two scenes blended into one: they fit no prompt. */
  readonly blended: number;
}

/**
 * Loss: every pair of picture and prompt is a yes-or-no question, mean of softplus(-z (scale · cos + bias)), z = ±1
 * (SigLIP, Zhai et al. 2023, eq. 1). Cosines are thus comparable across pictures of one prompt, which is how a reward is used.
 */
export function rewardTrainee(tokenizer: Tokenizer, options: RewardTraineeOptions): Trainee {
  const { batchSize, candidates, seed } = options;
  const prompts = allPrompts();
  const { graph, weights } = trainingGraph((g, source) => {
    const pixelValues = g.input('pixel_values', 'float32', [batchSize, ...IMAGE_SHAPE]);
    const inputIds = g.input('input_ids', 'int64', [batchSize * candidates, tokenizer.modelMaxLength]);
    const signs = g.input('signs', 'float32', [batchSize, candidates]);
    const layer = { g, weights: source };
    const images = op.unsqueeze(g, imageEncoder(layer, pixelValues).imageEmbeds, [2]);
    const texts = op.reshape(g, promptEncoder(layer, tokenizer, inputIds), [batchSize, candidates, -1]);
    const cosines = op.reshape(g, op.matMul(g, texts, images), [batchSize, candidates]);
    const scale = op.exp(g, source('logit_scale', [1], { constant: Math.log(8) }));
    const logits = op.add(g, op.mul(g, cosines, scale), source('logit_bias', [1], { constant: -2 }));
    return op.meanAll(g, op.softplus(g, op.neg(g, op.mul(g, signs, logits))));
  });

  return {
    label: 'reward',
    weights,
    graph,
    batch(step) {
      const random = counterRandom({ seed, purpose: 'pretraining-data', group: step });
      const { images, drawnPrompts } = drawBatch({
        batchSize,
        random: random.uniform,
        captionCorruption: 0,
        dropout: 0,
      });
      const signs = new Float32Array(batchSize * candidates).fill(-1);
      const texts = drawnPrompts.flatMap((prompt, index) => {
        const ruined = random.uniform() < options.blended;
        if (ruined) blend(images, index, random);
        else signs[index * candidates] = 1;
        const near = hardNegatives(prompt, random.uniform, Math.ceil((candidates - 1) * 0.7));
        const far = Array.from({ length: candidates - 1 - near.length }, () =>
          otherPrompt(prompt, prompts, random),
        );
        return [prompt, ...near, ...far];
      });
      const noiseLevel = options.imageNoise;
      const noise = random.normal(images.length);
      const pixels = elementCount(IMAGE_SHAPE);
      const levels = drawnPrompts.map(() => random.uniform() * noiseLevel);
      return {
        pixel_values: float32(
          images.map(
            (pixel, index) => pixel + (levels[Math.floor(index / pixels)] ?? 0) * (noise[index] ?? 0),
          ),
          [batchSize, ...IMAGE_SHAPE],
        ),
        input_ids: int64(
          texts.flatMap((prompt) => [...tokenizer.encode(prompt)]),
          [batchSize * candidates, tokenizer.modelMaxLength],
        ),
        signs: float32(signs, [batchSize, candidates]),
      };
    },
  };
}

/** Mixes a picture with another scene, half and half give or take. */
function blend(images: Float32Array, index: number, random: CounterRandom): void {
  const prompts = allPrompts();
  const pixels = elementCount(IMAGE_SHAPE);
  const other = drawPicture(prompts[random.integer(prompts.length)] ?? '', random.uniform);
  const share = 0.35 + 0.3 * random.uniform();
  for (let i = 0; i < pixels; i++)
    images[index * pixels + i] = share * (images[index * pixels + i] ?? 0) + (1 - share) * (other[i] ?? 0);
}

/** A prompt of another meaning, most often of another template. */
function otherPrompt(prompt: string, prompts: readonly string[], random: CounterRandom): string {
  for (;;) {
    const other = prompts[random.integer(prompts.length)] ?? prompt;
    if (!sameTruth(prompt, other)) return other;
  }
}

/** Whether a picture of one prompt may also satisfy the other: then it is no negative. */
function sameTruth(one: string, other: string): boolean {
  const words = (text: string) =>
    text.split(' ').filter((word) => !['a', 'and', 'above', 'below', 'left', 'right', 'of'].includes(word));
  return words(one).toSorted().join() === words(other).toSorted().join();
}
