/** @file Pictures that people asked for, with what the network took their latents for. It runs in the sampler's thread. */

import { at } from '../../../at.js';
import { encodePng, toRgb8 } from '../../../models/images/picture.js';
import type { Pipeline } from '../../../models/pipeline/pipeline.js';
import { cleanGuess } from '../../../models/rollouts/clean-guess.js';
import { recordedNode, shownSteps } from '../../../models/rollouts/recorded-node.js';
import type {
  RolloutRequest,
  Sampler,
  SamplerSettings,
  Trajectory,
} from '../../../models/rollouts/sampler.js';
import type { RolloutTree } from '../../../rollout-tree.js';
import type { Guess } from '../../messages/people.js';

export interface DrawRequest {
  /** At most groupsPerBatch. */
  readonly requests: readonly RolloutRequest[];
  readonly trainedSteps: readonly number[];
  /** Steps after the fork whose guesses are shown. */
  readonly guesses: number;
}

export interface DrawnTree {
  readonly tree: RolloutTree;
  readonly branches: readonly Trajectory[];
  /** One a branch, as PNG. */
  readonly pictures: readonly Uint8Array[];
  readonly guesses: readonly Guess[];
}

interface Drawing {
  readonly pipeline: Pipeline;
  readonly sampler: Sampler;
  readonly samplerSettings: SamplerSettings;
  readonly imageShape: readonly [number, number, number];
}

/** Rolls requests out, and decodes what is shown of them. */
export async function drawPictures(
  { pipeline, sampler, samplerSettings, imageShape }: Drawing,
  { requests, trainedSteps, guesses: later }: DrawRequest,
  signal: AbortSignal,
): Promise<DrawnTree[]> {
  const [, height, width] = imageShape;
  const pngOf = (picture: Float32Array) => encodePng(toRgb8(picture, height, width));
  const groups = await sampler.rollout(requests, trainedSteps, signal);
  const drawn: DrawnTree[] = [];
  for (const [index, { tree, branches: sampled }] of groups.entries()) {
    const branches = sampled.map(({ trajectory }) => trajectory);
    const { groupIndex } = at(requests, index);
    const guesses: Guess[] = [];
    for (const step of shownSteps(tree, later)) {
      for (let node = 0; node < at(tree.widths, step - tree.firstStep); node++) {
        const recorded = recordedNode(tree, branches, { groupIndex, step, node });
        const guess = cleanGuess(pipeline.schedule, samplerSettings, trainedSteps, recorded);
        // One at a time: a few pictures are not worth the memory of a batch.
        guesses.push({ step, node, png: pngOf(await pipeline.decode(guess, 1)) });
      }
    }
    drawn.push({ tree, branches, pictures: sampled.map(({ image }) => pngOf(image)), guesses });
  }
  return drawn;
}
