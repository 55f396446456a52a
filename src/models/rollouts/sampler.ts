/**
 * @file Rollouts of groups as trees: every sampler step is one batch over all groups and all of their branches, and what
 * branches share is computed once. Randomness belongs to (seed, group, branch, step), so a group rolls out alike in any
 * batch and on any worker.
 */

import { TributaryError } from '../../errors.js';
import { leafCount, leavesPerNode, pathDepth, type RolloutTree } from '../../rollout-tree.js';
import { ddimStep } from '../diffusion/ddim-step.js';
import { usesGuidance } from '../diffusion/guided-output.js';
import type { StepCoefficients } from '../diffusion/step-coefficients.js';
import { type StochasticSettings, stochasticCoefficients } from '../diffusion/stochastic-steps.js';
import { roundToFloat16 } from '../numeric/float16.js';
import type { Denoiser } from '../pipeline/denoiser.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';
import { type ForkSettings, treeWidths } from './fork-plans.js';
import { embedRows, predictGuided, type Rows, repeated } from './rollout-rows.js';

export interface SamplerSettings extends ForkSettings, StochasticSettings {
  /** Seed of the run. */
  readonly seed: number;
  readonly guidanceScale: number;
  readonly groupsPerBatch: number;
  /**
   * How latents are stored; log-probs are those of the stored values. With float16 all are rounded before the network sees
   * them, the first ones too, as the released programs draw them in half precision.
   */
  readonly latentsDtype: 'float32' | 'float16';
  /** Pictures of an evaluation never share noise with training, whatever the seeds. */
  readonly noiseFor: 'training' | 'evaluation';
}

/** What to roll out: a prompt, and the group that keys its randomness. */
export interface RolloutRequest {
  readonly groupIndex: number;
  readonly prompt: string;
}

/** The path of one leaf: what it does not share with an earlier leaf of its tree. */
export interface Trajectory {
  /** Sampler step of the first entry of `logProbs`. */
  readonly firstStep: number;
  /** Latents before every step from `firstStep` on, and after the last: [numSteps - firstStep + 1, C, H, W]. */
  readonly latents: Float32Array;
  /** Log-prob of every step from `firstStep` on, the mean over dimensions; 0 where the step is deterministic. */
  readonly logProbs: Float32Array;
}

export interface SampledBranch {
  readonly trajectory: Trajectory;
  /** [3, H, W] in [-1, 1]. */
  readonly image: Float32Array;
}

export interface SampledGroup {
  /** From the first trained step on. */
  readonly tree: RolloutTree;
  readonly branches: readonly SampledBranch[];
}

export interface Sampler {
  /**
   * Rolls out up to groupsPerBatch groups. Trees are recorded from the first of `trainedSteps` on.
   * @returns one group for every request, in order.
   */
  rollout(
    requests: readonly RolloutRequest[],
    trainedSteps: readonly number[],
    signal?: AbortSignal,
  ): Promise<SampledGroup[]>;
}

/** Numbers of rows that the first rollouts run the network with; others are compiled when they come. */
export function denoiserRows(settings: SamplerSettings, trainedSteps: readonly number[]): number[] {
  const factor = usesGuidance(settings.guidanceScale) ? 2 : 1;
  const { numInferenceSteps, groupsPerBatch } = settings;
  const widths = treeWidths(settings, trainedSteps, numInferenceSteps).slice(0, -1);
  return [...new Set(widths)].map((width) => width * groupsPerBatch * factor);
}

/** The streams of random numbers of a sampler: one for the start of every branch, one for every step of every branch. */
function samplerRandom({ seed, noiseFor }: SamplerSettings) {
  const forTraining = noiseFor === 'training';
  return {
    initial: (group: number, branch: number) =>
      counterRandom({ seed, purpose: forTraining ? 'initial-latents' : 'evaluation', group, branch }),
    step: (group: number, branch: number, step: number) =>
      forTraining
        ? counterRandom({ seed, purpose: 'step-noise', group, branch, step })
        : counterRandom({ seed, purpose: 'evaluation', group, branch, step: step + 1 }),
  };
}

/** Makes a sampler over an open pipeline and denoiser. A smaller batch is filled up, so that every run has one geometry. */
export function createSampler(pipeline: Pipeline, denoiser: Denoiser, settings: SamplerSettings): Sampler {
  const { numInferenceSteps, groupsPerBatch, guidanceScale, latentsDtype } = settings;
  const rowSize = elementCount(pipeline.latentShape);
  const random = samplerRandom(settings);

  const rowsOf = (groups: readonly RolloutRequest[], width: number): Promise<Rows> =>
    embedRows(
      pipeline,
      groups.flatMap((group) => Array.from({ length: width }, (_, branch) => ({ ...group, branch }))),
    );

  function initialLatents({ owners }: Rows): Float32Array {
    const latents = new Float32Array(owners.length * rowSize);
    for (const [row, { groupIndex, branch }] of owners.entries())
      latents.set(random.initial(groupIndex, branch).normal(rowSize), row * rowSize);
    return latentsDtype === 'float16' ? latents.map(roundToFloat16) : latents;
  }

  function stepNoise({ owners }: Rows, { stepIndex, stdDevT }: StepCoefficients): Float32Array | null {
    if (stdDevT === 0) return null;
    const noise = new Float32Array(owners.length * rowSize);
    for (const [row, { groupIndex, branch }] of owners.entries())
      noise.set(random.step(groupIndex, branch, stepIndex).normal(rowSize), row * rowSize);
    return noise;
  }

  return {
    async rollout(requests, trainedSteps, signal) {
      const groups = filledUp(requests, groupsPerBatch);
      const widths = treeWidths(settings, trainedSteps, numInferenceSteps);
      const firstStep = trainedSteps[0] ?? 0;
      const coefficients = stochasticCoefficients(pipeline.schedule, settings, trainedSteps);
      let rows = await rowsOf(groups, widths[0] ?? 1);
      let latents = initialLatents(rows);
      const recorded: Depth[] = [];
      for (const [step, coefficient] of coefficients.entries()) {
        if (step >= firstStep) recorded.push({ latents, logProb: null });
        let modelOutput = await predictGuided(
          denoiser,
          rows,
          latents,
          coefficient.timestep,
          guidanceScale,
          signal,
        );
        const ways = (widths[step + 1] ?? 1) / (widths[step] ?? 1);
        if (ways > 1) {
          latents = repeated(latents, rowSize, ways);
          modelOutput = repeated(modelOutput, rowSize, ways);
          rows = await rowsOf(groups, widths[step + 1] ?? 1);
        }
        const taken = ddimStep({
          latents,
          modelOutput,
          noise: stepNoise(rows, coefficient),
          coefficients: coefficient,
          batchSize: rows.owners.length,
          storage: latentsDtype,
        });
        latents = taken.nextLatents;
        const depth = recorded.at(-1);
        if (depth) depth.logProb = taken.logProb;
      }
      recorded.push({ latents, logProb: null });
      const tree: RolloutTree = { firstStep, widths: widths.slice(firstStep) };
      const images = await pipeline.decode(latents, rows.owners.length);
      const imageSize = images.length / rows.owners.length;
      const leaves = leafCount(tree);
      return requests.map((_, group) => ({
        tree,
        branches: Array.from({ length: leaves }, (__, leaf) => ({
          trajectory: pathOf(tree, recorded, group, leaf, rowSize),
          image: images.slice((group * leaves + leaf) * imageSize, (group * leaves + leaf + 1) * imageSize),
        })),
      }));
    },
  };
}

/** All nodes of one depth, and the log-probs of the edges that leave it; null where they are deterministic. */
interface Depth {
  readonly latents: Float32Array;
  logProb: Float32Array | null;
}

/** Copies the path of a leaf out of the recorded depths. */
function pathOf(
  tree: RolloutTree,
  recorded: readonly Depth[],
  group: number,
  leaf: number,
  rowSize: number,
): Trajectory {
  const start = pathDepth(tree, leaf);
  const depths = recorded.slice(start);
  const row = (depth: number) =>
    group * (tree.widths[depth] ?? 1) + Math.floor(leaf / leavesPerNode(tree, depth));
  const latents = new Float32Array(depths.length * rowSize);
  const logProbs = new Float32Array(depths.length - 1);
  for (const [index, { latents: nodes, logProb }] of depths.entries()) {
    const from = row(start + index) * rowSize;
    latents.set(nodes.subarray(from, from + rowSize), index * rowSize);
    if (index < logProbs.length) logProbs[index] = logProb?.[row(start + index + 1)] ?? 0;
  }
  return { firstStep: tree.firstStep + start, latents, logProbs };
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
