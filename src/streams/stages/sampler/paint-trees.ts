/** @file Pictures of trees, from latents that were recorded. It runs in the sampler's thread, which has the decoder. */

import { at } from '../../../at.js';
import { stochasticCoefficients } from '../../../models/diffusion/stochastic-steps.js';
import { type Rgb8Image, toRgb8 } from '../../../models/images/picture.js';
import { pictureSheet } from '../../../models/images/picture-sheet.js';
import type { Pipeline } from '../../../models/pipeline/pipeline.js';
import { cleanGuess, type RecordedStep } from '../../../models/rollouts/clean-guess.js';
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
  /** One for each size of pictures, the common one first. */
  readonly pipelines: readonly Pipeline[];
  readonly samplerSettings: SamplerSettings;
}

/** Decodes the ends of branches, and at every recorded fork the picture that the network expected there. */
export async function paintTrees(
  { pipelines, samplerSettings }: Painter,
  { trees, trainedSteps }: TreesRequest,
): Promise<PaintedTrees> {
  const common = at(pipelines, 0);
  const { schedule } = common;
  const latents: { readonly data: Float32Array; readonly of: Pipeline }[] = [];
  const shown = trees.map(({ latentShape, ...tree }): ShownTree => {
    const isOwn = ({ latentShape: shape }: Pipeline) => shape.join() === latentShape?.join();
    const of = pipelines.find(isOwn) ?? common;
    const guessOf = (recorded: RecordedStep) => cleanGuess(schedule, samplerSettings, trainedSteps, recorded);
    return {
      ...tree,
      forks: tree.forks.map(({ recorded, ...fork }) => ({
        ...fork,
        picture: recorded && latents.push({ data: guessOf(recorded), of }) - 1,
      })),
      leaves: tree.leaves.map(({ latents: data, ...leaf }) => ({
        ...leaf,
        picture: latents.push({ data, of }) - 1,
      })),
    };
  });
  const pictures: Rgb8Image[] = [];
  // One at a time: a few pictures are not worth the memory of a batch.
  for (const { data, of } of latents) {
    const [, height, width] = await of.imageShape();
    pictures.push(toRgb8(await of.decode(data, 1), height, width));
  }
  const { png, layout } = pictureSheet(pictures);
  const timesteps = stochasticCoefficients(schedule, samplerSettings, trainedSteps).map(
    ({ timestep }) => timestep,
  );
  return { png, timesteps, sheet: layout, trees: shown };
}
