/** @file Rows for surrogates of the forward process: sampled pictures, noised at random timesteps. */

import { at } from '../../at.js';
import { forwardProcess, trainingTimestep } from '../diffusion/forward-process.js';
import type { DenoisingSurrogate } from '../objectives/surrogate.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';
import type { RowUnit, TrainingRow, TrainingSample } from './training-rows.js';

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
  key: DenoisingKey,
): RowUnit[] {
  const advantages = samples.map(({ advantage }) => advantage);
  const transformed = transformAdvantages?.(advantages) ?? advantages;
  return noisedUnits(
    pipeline,
    samples.map((sample, index) => [{ ...sample, advantage: at(transformed, index) }]),
    timestepsPerSample,
    key,
  );
}

/**
 * Returns the rows of one update of pairs: both pictures of a pair at the same timesteps with the same noise. A row weighs
 * one over the number of pairs of rows.
 */
export function denoisingPairUnits(
  pipeline: Pipeline,
  { timestepsPerSample }: DenoisingSurrogate,
  pairs: readonly (readonly [preferred: TrainingSample, rejected: TrainingSample])[],
  key: DenoisingKey,
): RowUnit[] {
  return noisedUnits(pipeline, pairs, timestepsPerSample, key);
}

type NoisedSample = Pick<TrainingSample, 'prompt' | 'negativePrompt' | 'advantage' | 'trajectory'>;

/** Samples of one unit are noised alike; their pictures have one size. */
function noisedUnits(
  pipeline: Pipeline,
  units: readonly (readonly NoisedSample[])[],
  timestepsPerSample: number,
  { seed, round, epoch, update }: DenoisingKey,
): RowUnit[] {
  const { schedule } = pipeline;
  const place = { seed, group: round, branch: epoch, step: update };
  const timesteps = counterRandom({ ...place, purpose: 'forward-timesteps' });
  const noises = counterRandom({ ...place, purpose: 'forward-noise' });
  const weight = 1 / (units.length * timestepsPerSample);
  const noised = units.flatMap((unit) =>
    Array.from({ length: timestepsPerSample }, () => {
      const timestep = trainingTimestep(schedule, timesteps.integer(schedule.config.numTrainTimesteps));
      const { latentShape } = at(unit, 0).trajectory;
      const size = elementCount(latentShape ?? pipeline.latentShape);
      const noise = noises.normal(size);
      const { signalScale, noiseScale, target, predOriginalSample } = forwardProcess(schedule, timestep);
      const scalars = { ...predOriginalSample, signalScale, noiseScale };
      const rowOf = ({ trajectory, advantage, prompt, negativePrompt }: NoisedSample): TrainingRow => {
        const cleanLatents = trajectory.latents.subarray(-size);
        const mix = (original: number, noisy: number) =>
          cleanLatents.map((value, place) => original * value + noisy * noise[place]!);
        const latents = () => ({
          sample: mix(signalScale, noiseScale),
          cleanLatents,
          target: mix(target.originalCoefficient, target.noiseCoefficient),
        });
        return {
          ...{ prompt, ...(negativePrompt !== undefined && { negativePrompt }) },
          ...(latentShape && { latentShape }),
          ...{ step: null, timestep, weight, advantage, scalars, latents },
        };
      };
      return { timestep, rows: unit.map(rowOf) };
    }),
  );
  // Sorted, rows of one timestep fill the runs of models that take one timestep.
  return noised.sort((a, b) => a.timestep - b.timestep).map(({ rows }) => rows);
}
