/** @file Training of the reward model on drawn pictures, their prompts and near misses. */

import { at } from '../../../at.js';
import { concat, type Expression } from '../../graph/ops/expression.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer-contract.js';
import { type Trainee, trainingGraph } from '../../pretraining/trainee.js';
import { type CounterRandom, counterRandom } from '../../random/counter-random.js';
import { elementCount, float32, int64, type Tensor } from '../../tensor.js';
import { IMAGE_SHAPE } from '../networks/network-sizes.js';
import { imageEncoder, promptEncoder } from '../networks/reward-network.js';
import { hardNegatives } from '../prompts/near-miss.js';
import { allPrompts } from '../prompts/prompt-lists.js';
import { drawBatch, drawPicture } from './shapes-dataset.js';

interface RewardTraineeOptions {
  readonly seed: number;
  /** Pictures that are compared with prompts; even, as every prompt is drawn twice. */
  readonly batchSize: number;
  /** Prompts that each picture is compared with: its own, near misses of it, and others. */
  readonly candidates: number;
  /** Largest standard deviation of the noise on pictures, so that the reward reads imperfect pictures too. */
  readonly imageNoise: number;
  /** Share of pictures that are two scenes blended into one: they fit no prompt. */
  readonly blended: number;
  /** Weight of telling pictures of one prompt apart, relative to telling prompts apart. */
  readonly instanceWeight: number;
}

/** Two scenes of every prompt are in a batch. */
const SCENES_PER_PROMPT = 2;
/** Two views of every scene are compared; a view is the scene with its own noise. */
const VIEWS = 2;
/** Scale of cosines where views are compared: a difference of 0.3 between two scenes is a ratio of e^3. */
const INSTANCE_SCALE = 10;

/**
 * Loss: captions + instanceWeight · instances.
 *
 *     captions   mean over pairs of view and prompt of softplus(-z (scale · cos + bias)), z = ±1
 *                                                                   SigLIP, Zhai et al. 2023, eq. 1
 *     instances  mean over scenes i of -log softmax_j(10 cos(view 1 of i, view 2 of j))[i]
 *                                                                   InfoNCE beside captions: SLIP, Mu et al. 2021
 *
 * Every pair is a yes-or-no question, so cosines are comparable across pictures of one prompt, which is how a reward is
 * used. The second term keeps pictures of one prompt apart: without it the features would hold nothing but what prompts
 * say, and their distance would measure alignment, not diversity.
 *
 * Departure from SLIP: both terms use the same projection, because the features themselves must tell pictures apart.
 */
export function rewardTrainee(tokenizer: Tokenizer, options: RewardTraineeOptions): Trainee {
  const { batchSize, candidates, seed } = options;
  const prompts = allPrompts();
  const numPrompts = batchSize / SCENES_PER_PROMPT;
  const pixels = elementCount(IMAGE_SHAPE);
  const { graph, weights } = trainingGraph((g, source) => {
    const inputIds = g.input('input_ids', 'int64', [numPrompts * candidates, tokenizer.modelMaxLength]);
    const numViews = VIEWS * batchSize;
    const signs = g.input('signs', 'float32', [numViews, candidates]);
    const pixelValues = g.input('pixel_values', 'float32', [numViews, ...IMAGE_SHAPE]);
    const layer = { g, weights: source };
    const views = imageEncoder(layer, pixelValues);
    const texts = promptEncoder(layer, tokenizer, inputIds);
    const textsOfViews = concat(Array(VIEWS * SCENES_PER_PROMPT).fill(texts), 0);
    const cosines = textsOfViews
      .reshape([numViews, candidates, -1])
      .matMul(views.unsqueeze([2]))
      .reshape([numViews, candidates]);
    const scale = source('logit_scale', [1], { constant: Math.log(8) }).exp();
    const logits = cosines.mul(scale).add(source('logit_bias', [1], { constant: -2 }));
    const captions = signs.mul(logits).neg().softplus().meanAll();
    const [first, second] = [0, 1].map((view) =>
      views.slice({ axes: [0], starts: [view * batchSize], ends: [(view + 1) * batchSize] }),
    ) as [Expression, Expression];
    const likeness = first.matMul(second.transpose([1, 0]));
    const logShares = likeness.mul(INSTANCE_SCALE).logSoftmax();
    const instances = logShares
      .mul(g.constant(identity(batchSize)))
      .meanAll()
      .neg();
    return captions.add(instances.mul(batchSize * options.instanceWeight));
  });

  return {
    label: 'reward',
    weights,
    graph,
    batch(step) {
      const random = counterRandom({ seed, purpose: 'pretraining-data', group: step });
      const drawn = drawBatch({
        batchSize: numPrompts,
        random: random.uniform,
        captionCorruption: 0,
        dropout: 0,
      }).drawnPrompts;
      const scenePrompts = Array<readonly string[]>(SCENES_PER_PROMPT).fill(drawn).flat();
      const scenes = scenePrompts.map((prompt) => drawPicture(prompt, random.uniform));
      const signs = new Float32Array(batchSize * candidates).fill(-1);
      for (const [index, scene] of scenes.entries()) {
        if (random.uniform() < options.blended) blend(scene, random);
        else signs[index * candidates] = 1;
      }
      const texts = drawn.flatMap((prompt) => {
        const near = hardNegatives(prompt, random.uniform, Math.ceil((candidates - 1) * 0.7));
        const far = Array.from({ length: candidates - 1 - near.length }, () =>
          otherPrompt(prompt, prompts, random),
        );
        return [prompt, ...near, ...far];
      });
      const pixelValues = new Float32Array(VIEWS * batchSize * pixels);
      for (let row = 0; row < VIEWS * batchSize; row++) {
        const level = random.uniform() * options.imageNoise;
        const noise = random.normal(pixels);
        const view = (scenes[row % batchSize] as Float32Array).map((pixel, i) => pixel + level * noise[i]!);
        pixelValues.set(view, row * pixels);
      }
      const ids = texts.flatMap((prompt) => [...tokenizer.encode(prompt)]);
      // Pictures are compared with each other, so they are all of one run.
      const run = {
        pixel_values: float32(pixelValues, [VIEWS * batchSize, ...IMAGE_SHAPE]),
        input_ids: int64(ids, [numPrompts * candidates, tokenizer.modelMaxLength]),
        signs: float32([...signs, ...signs], [VIEWS * batchSize, candidates]),
      };
      return [run];
    },
  };
}

/** Mixes a picture, in place, with about as much of another scene. */
function blend(image: Float32Array, random: CounterRandom): void {
  const prompts = allPrompts();
  const other = drawPicture(at(prompts, random.integer(prompts.length)), random.uniform);
  const share = 0.35 + 0.3 * random.uniform();
  for (const [i, pixel] of image.entries()) image[i] = share * pixel + (1 - share) * other[i]!;
}

function identity(size: number): Tensor {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) data[i * (size + 1)] = 1;
  return float32(data, [size, size]);
}

/** A prompt of another meaning, usually of another template. */
function otherPrompt(prompt: string, prompts: readonly string[], random: CounterRandom): string {
  for (;;) {
    const other = at(prompts, random.integer(prompts.length));
    if (!sameTruth(prompt, other)) return other;
  }
}

/** Whether a picture of one prompt may also satisfy the other, which is then no negative. */
function sameTruth(one: string, other: string): boolean {
  const words = (text: string) =>
    text.split(' ').filter((word) => !['a', 'and', 'above', 'below', 'left', 'right', 'of'].includes(word));
  return words(one).toSorted().join() === words(other).toSorted().join();
}
