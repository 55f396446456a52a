/**
 * @file Rollouts of groups: one shared prefix, then branches, each step one batch over all groups. Randomness belongs to
 * (seed, group, branch, step), so a group rolls out alike in any batch and on any worker.
 */

import { TributaryError } from '../../errors.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';
import { ddimStep } from './ddim-step.js';
import type { Denoiser } from './denoiser.js';
import { guidedOutput } from './guided-output.js';
import type { Pipeline } from './pipeline.js';
import type { StepCoefficients } from './step-coefficients.js';
import { samplerCoefficients } from './step-coefficients.js';

export interface SamplerSettings {
  /** Seed of the run. */
  readonly seed: number;
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
  readonly eta: number;
  readonly numBranches: number;
  readonly groupsPerBatch: number;
  /** How latents are stored; log-probs are those of the stored values. */
  readonly latentsDtype: 'float32' | 'float16';
  /** Pictures of an evaluation never share noise with training, whatever the seeds. */
  readonly noiseFor: 'training' | 'evaluation';
}

/** What to roll out: a prompt, and the group that keys its randomness. */
export interface RolloutRequest {
  readonly groupIndex: number;
  readonly prompt: string;
}

/** The trained part of one branch. */
export interface Trajectory {
  /** Sampler step of the first entry of `logProbs`. */
  readonly firstStep: number;
  /** Latents before every step from `firstStep` on, and after the last: [numSteps - firstStep + 1, C, H, W]. */
  readonly latents: Float32Array;
  /** Log-prob of every step from `firstStep` on: mean over dimensions. */
  readonly logProbs: Float32Array;
}

export interface SampledBranch {
  readonly trajectory: Trajectory;
  /** [3, H, W] in [-1, 1]. */
  readonly image: Float32Array;
}

/** Rows that a denoiser must be opened for: one row or one a branch for every group of a batch, twice with guidance. */
export function denoiserRows({ groupsPerBatch, numBranches, guidanceScale }: SamplerSettings): number[] {
  const factor = guidanceScale === 1 ? 1 : 2;
  return [groupsPerBatch * factor, groupsPerBatch * numBranches * factor];
}

export interface Sampler {
  readonly coefficients: readonly StepCoefficients[];
  /**
   * Rolls out up to groupsPerBatch groups: steps before `firstStep` once a group, steps from there on once a branch.
   * @returns the branches of every request, in order.
   */
  rollout(
    requests: readonly RolloutRequest[],
    firstStep: number,
    signal?: AbortSignal,
  ): Promise<SampledBranch[][]>;
}

/** The streams of random numbers of a sampler: one for the start of every group, one for every step of every branch. */
function samplerRandom({ seed, noiseFor }: SamplerSettings) {
  const forTraining = noiseFor === 'training';
  return {
    initial: (group: number) =>
      counterRandom({ seed, purpose: forTraining ? 'initial-latents' : 'evaluation', group }),
    step: (group: number, branch: number, step: number) =>
      forTraining
        ? counterRandom({ seed, purpose: 'step-noise', group, branch, step })
        : counterRandom({ seed, purpose: 'evaluation', group, branch, step: step + 1 }),
  };
}

/** Makes a sampler over an open pipeline and denoiser. A smaller batch is filled up, so that every run has one geometry. */
export function createSampler(pipeline: Pipeline, denoiser: Denoiser, settings: SamplerSettings): Sampler {
  const { numInferenceSteps, numBranches, groupsPerBatch } = settings;
  const coefficients = samplerCoefficients(pipeline.schedule, numInferenceSteps, settings.eta);
  const rowSize = elementCount(pipeline.latentShape);
  const random = samplerRandom(settings);

  /** One step of all rows. */
  async function advance(rows: Rows, latents: Float32Array, step: StepCoefficients, signal?: AbortSignal) {
    const modelOutput = await predictGuided(
      denoiser,
      rows,
      latents,
      step.timestep,
      settings.guidanceScale,
      signal,
    );
    const noise = new Float32Array(latents.length);
    for (const [row, { groupIndex, branch }] of rows.owners.entries()) {
      noise.set(random.step(groupIndex, branch, step.stepIndex).normal(rowSize), row * rowSize);
    }
    return ddimStep({
      latents,
      modelOutput,
      noise: step.stdDevT > 0 ? noise : null,
      coefficients: step,
      batchSize: rows.owners.length,
      storage: settings.latentsDtype,
    });
  }

  /** Steps 0..firstStep-1, one row a group. */
  async function rollTrunk(
    groups: readonly RolloutRequest[],
    firstStep: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const rows = await embedRows(
      pipeline,
      groups.map((group) => ({ ...group, branch: 0 })),
    );
    let latents = new Float32Array(groups.length * rowSize) as Float32Array;
    for (const [row, { groupIndex }] of groups.entries()) {
      latents.set(random.initial(groupIndex).normal(rowSize), row * rowSize);
    }
    for (const step of coefficients.slice(0, firstStep)) {
      latents = (await advance(rows, latents, step, signal)).nextLatents;
    }
    return latents;
  }

  return {
    coefficients,
    async rollout(requests, firstStep, signal) {
      const groups = filledUp(requests, groupsPerBatch);
      let latents = repeated(await rollTrunk(groups, firstStep, signal), rowSize, numBranches);
      const owners = groups.flatMap((group) =>
        Array.from({ length: numBranches }, (_, branch) => ({ ...group, branch })),
      );
      const rows = await embedRows(pipeline, owners);
      const paths = owners.map(() => new Float32Array((numInferenceSteps - firstStep + 1) * rowSize));
      const logProbs = owners.map(() => new Float32Array(numInferenceSteps - firstStep));
      const keep = (index: number) => {
        for (const [row, path] of paths.entries())
          path.set(latents.subarray(row * rowSize, (row + 1) * rowSize), index * rowSize);
      };
      keep(0);
      for (const [index, step] of coefficients.slice(firstStep).entries()) {
        const taken = await advance(rows, latents, step, signal);
        latents = taken.nextLatents;
        keep(index + 1);
        for (const [row, values] of logProbs.entries()) values[index] = taken.logProb?.[row] ?? 0;
      }
      const images = await pipeline.decode(latents, owners.length);
      const imageSize = images.length / owners.length;
      const branches = paths.map((path, row) => ({
        trajectory: { firstStep, latents: path, logProbs: logProbs[row] ?? new Float32Array() },
        image: images.slice(row * imageSize, (row + 1) * imageSize),
      }));
      return requests.map((_, group) => branches.slice(group * numBranches, (group + 1) * numBranches));
    },
  };
}

/** The rows of a batch: whose randomness each one uses, and its prompt embeddings. */
interface Rows {
  readonly owners: readonly { readonly groupIndex: number; readonly branch: number }[];
  readonly unconditional: Float32Array;
  readonly conditional: Float32Array;
}

async function embedRows(
  pipeline: Pipeline,
  owners: readonly (RolloutRequest & { readonly branch: number })[],
): Promise<Rows> {
  const empty = await pipeline.embedPrompt('');
  const unconditional = new Float32Array(owners.length * empty.length);
  const conditional = new Float32Array(owners.length * empty.length);
  for (const [row, { prompt }] of owners.entries()) {
    unconditional.set(empty, row * empty.length);
    conditional.set(await pipeline.embedPrompt(prompt), row * empty.length);
  }
  return { owners, unconditional, conditional };
}

/** Guided output of all rows: one run of twice the rows, or of the rows alone at guidanceScale 1. */
async function predictGuided(
  denoiser: Denoiser,
  rows: Rows,
  latents: Float32Array,
  timestep: number,
  guidanceScale: number,
  signal?: AbortSignal,
) {
  if (guidanceScale === 1) return denoiser.predict(latents, timestep, rows.conditional, signal);
  const output = await denoiser.predict(
    concatenated(latents, latents),
    timestep,
    concatenated(rows.unconditional, rows.conditional),
    signal,
  );
  return guidedOutput(output.subarray(0, latents.length), output.subarray(latents.length), guidanceScale);
}

function filledUp(requests: readonly RolloutRequest[], count: number): readonly RolloutRequest[] {
  const [first] = requests;
  if (!first || requests.length > count) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `rollout: expected 1 to ${count} groups, got ${requests.length}. Split the batch.`,
    );
  }
  return [...requests, ...Array.from({ length: count - requests.length }, () => first)];
}

function concatenated(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Every row `times` times, one after another. */
function repeated(rows: Float32Array, rowSize: number, times: number): Float32Array {
  const result = new Float32Array(rows.length * times);
  for (let row = 0; row * rowSize < rows.length; row++) {
    for (let copy = 0; copy < times; copy++) {
      result.set(rows.subarray(row * rowSize, (row + 1) * rowSize), (row * times + copy) * rowSize);
    }
  }
  return result;
}
