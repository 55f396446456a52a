/** @file Pictures of trees, from latents that were recorded. It runs in the sampler's thread, which has the decoder. */

import { stochasticCoefficients } from '../../../models/diffusion/stochastic-steps.js';
import { pictureSheet } from '../../../models/images/picture-sheet.js';
import type { Pipeline } from '../../../models/pipeline/pipeline.js';
import { cleanGuess } from '../../../models/rollouts/clean-guess.js';
import type { SamplerSettings } from '../../../models/rollouts/sampler.js';
import type { PickedTree, RoundTrees, ShownTree } from '../../messages/round-trees.js';

export interface TreesRequest {
  /** At least one. */
  readonly trees: readonly PickedTree[];
  readonly trainedSteps: readonly number[];
}

export interface PaintedTrees extends Pick<RoundTrees, 'timesteps' | 'sheet' | 'trees'> {
  readonly png: Uint8Array;
}

interface Painter {
  readonly pipeline: Pipeline;
  readonly samplerSettings: SamplerSettings;
  readonly imageShape: readonly [number, number, number];
}

/** Decodes the ends of branches, and at every recorded fork the picture that the network expected there. */
export async function paintTrees(
  { pipeline, samplerSettings, imageShape }: Painter,
  { trees, trainedSteps }: TreesRequest,
): Promise<PaintedTrees> {
  const { schedule } = pipeline;
  const latents: Float32Array[] = [];
  const shown = trees.map(
    (tree): ShownTree => ({
      ...tree,
      forks: tree.forks.map(({ recorded, ...fork }) => ({
        ...fork,
        picture: recorded && latents.push(cleanGuess(schedule, samplerSettings, trainedSteps, recorded)) - 1,
      })),
      leaves: tree.leaves.map(({ latents: end, ...leaf }) => ({ ...leaf, picture: latents.push(end) - 1 })),
    }),
  );
  const [, height, width] = imageShape;
  const pictures: Float32Array[] = [];
  // One at a time: a few pictures are not worth the memory of a batch.
  for (const one of latents) pictures.push(await pipeline.decode(one, 1));
  const { png, layout } = pictureSheet(pictures, height, width);
  const timesteps = stochasticCoefficients(schedule, samplerSettings, trainedSteps).map(
    ({ timestep }) => timestep,
  );
  return { png, timesteps, sheet: layout, trees: shown };
}
