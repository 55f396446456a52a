/** @file Rows for surrogates of the forward process: sampled pictures, noised at random timesteps. */

import { at } from '../../at.js';
import { forwardProcess, trainingTimestep } from '../diffusion/forward-process.js';
import type { DenoisingSurrogate } from '../objectives/surrogate.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';
import type { RowUnit, TrainingSample } from './training-rows.js';

/** Where the randomness of an update comes from; `update` is its index in the epoch. */
export type DenoisingKey = Readonly<Record<'seed' | 'round' | 'epoch' | 'update', number>>;

/**
 * Returns the rows of one update: every picture at `timestepsPerSample` timesteps of its own, uniform over the training
 * timesteps, with fresh noise. A row weighs one over the number of rows.
 *
 * Shapes: the picture is the end of the sample's trajectory, x_S [C, H, W], before any VAE.
 */
export function denoisingUnits(
  pipeline: Pipeline,
  { timestepsPerSample, transformAdvantages }: DenoisingSurrogate,
  samples: readonly TrainingSample[],
  { seed, round, epoch, update }: DenoisingKey,
): RowUnit[] {
  const { schedule, latentShape } = pipeline;
  const size = elementCount(latentShape);
  const advantages = samples.map(({ advantage }) => advantage);
  const transformed = transformAdvantages?.(advantages) ?? advantages;
  const place = { seed, group: round, branch: epoch, step: update };
  const timesteps = counterRandom({ ...place, purpose: 'forward-timesteps' });
  const noises = counterRandom({ ...place, purpose: 'forward-noise' });
  const weight = 1 / (samples.length * timestepsPerSample);
  const rows = samples.flatMap(({ prompt, trajectory }, index) => {
    const cleanLatents = trajectory.latents.subarray(-size);
    return Array.from({ length: timestepsPerSample }, () => {
      const timestep = trainingTimestep(schedule, timesteps.integer(schedule.config.numTrainTimesteps));
      const noise = noises.normal(size);
      const { signalScale, noiseScale, target, predOriginalSample } = forwardProcess(schedule, timestep);
      const mix = (original: number, noisy: number) =>
        cleanLatents.map((value, place) => original * value + noisy * noise[place]!);
      return {
        prompt,
        step: null,
        timestep,
        weight,
        advantage: at(transformed, index),
        scalars: { ...predOriginalSample, signalScale, noiseScale },
        latents: () => ({
          sample: mix(signalScale, noiseScale),
          cleanLatents,
          target: mix(target.originalCoefficient, target.noiseCoefficient),
        }),
      };
    });
  });
  // Sorted, rows of one timestep fill the runs of models that take one timestep.
  return rows.sort((a, b) => a.timestep - b.timestep).map((row) => [row]);
}
