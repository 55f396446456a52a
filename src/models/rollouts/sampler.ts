/**
 * @file Rollouts of groups as trees: every sampler step is one batch over all branches of all groups, and what branches
 * share is computed once. Random numbers depend on (seed, group, branch, step) alone, so a group rolls out the same in any
 * batch and on any worker.
 */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { leafCount, leavesPerNode, pathDepth, type RolloutTree } from '../../rollout-tree.js';
import { ddimStep } from '../diffusion/ddim-step.js';
import { type StochasticSettings, stochasticCoefficients } from '../diffusion/stochastic-steps.js';
import { roundToFloat16 } from '../numeric/float16.js';
import type { Denoiser } from '../pipeline/denoiser.js';
import type { GivenSize } from '../pipeline/picture-size.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { type CounterRandom, counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';
import { sideBySide } from '../threads/side-by-side.js';
import { type ForkSettings, treeWidths } from './fork-plans.js';
import { embedRows, predictGuided, type RowOwner, repeatRows } from './rollout-rows.js';

export interface SamplerSettings extends ForkSettings, StochasticSettings {
  /** Seed of the run. */
  readonly seed: number;
  readonly guidanceScale: number;
  readonly groupsPerBatch: number;
  /**
   * How latents are stored; log-probs are those of the stored values. With float16 latents are rounded before the network
   * sees them, the first ones too: the released programs draw them in half precision.
   */
  readonly latentsDtype: 'float32' | 'float16';
  /** An evaluation never shares noise with training, whatever the seeds. */
  readonly noiseFor: 'training' | 'evaluation';
}

/** What to roll out: a prompt, and the group that keys its randomness. */
export interface RolloutRequest {
  readonly groupIndex: number;
  readonly prompt: string;
  /** Of this prompt; absent where that of the pipeline holds. */
  readonly negativePrompt?: string;
  /** Of its pictures; absent where all have the size of the pipeline. `createSizedSampler` reads it. */
  readonly size?: GivenSize;
}

/** The path of one leaf: what it does not share with an earlier leaf of its tree. */
export interface Trajectory {
  /** Sampler step of the first entry of `logProbs`. */
  readonly firstStep: number;
  /** Latents before every step from `firstStep` on, and after the last: [numSteps - firstStep + 1, C, H, W]. */
  readonly latents: Float32Array;
  /** Log-prob of every step from `firstStep` on, the mean over dimensions; 0 where the step is deterministic. */
  readonly logProbs: Float32Array;
  /** [C, H, W] of each latent; absent where all have the shape of the pipeline. */
  readonly latentShape?: readonly [number, number, number];
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

/** Numbers of rows that the first rollouts run the network with; graphs for others are compiled when they are needed. */
export function denoiserRows(
  pipeline: Pick<Pipeline, 'usesGuidance'>,
  settings: SamplerSettings,
  trainedSteps: readonly number[],
): number[] {
  const factor = pipeline.usesGuidance(settings.guidanceScale) ? 2 : 1;
  const { numInferenceSteps, groupsPerBatch } = settings;
  const widths = treeWidths(settings, trainedSteps, numInferenceSteps).slice(0, -1);
  return [...new Set(widths)].map((width) => width * groupsPerBatch * factor);
}

/** What keys the random numbers of a row. */
type RowKey = Pick<RowOwner, 'groupIndex' | 'branch'>;

/** The random numbers of a sampler: for every branch one stream for its first latents, and one for each of its steps. */
export function samplerRandom({ seed, noiseFor }: SamplerSettings) {
  const forTraining = noiseFor === 'training';
  return {
    initial: ({ groupIndex: group, branch }: RowKey) =>
      counterRandom({ seed, purpose: forTraining ? 'initial-latents' : 'evaluation', group, branch }),
    step: ({ groupIndex: group, branch }: RowKey, step: number) =>
      forTraining
        ? counterRandom({ seed, purpose: 'step-noise', group, branch, step })
        : counterRandom({ seed, purpose: 'evaluation', group, branch, step: step + 1 }),
  };
}

/**
 * Returns a sampler over an open pipeline and denoiser. It fills up smaller batches, so that all runs have one size. A batch
 * is rolled out in parts of one run each: no part waits for the others, and the network computes some of them while the
 * arithmetic of others is done here.
 */
export function createSampler(pipeline: Pipeline, denoiser: Denoiser, settings: SamplerSettings): Sampler {
  const { numInferenceSteps, groupsPerBatch, guidanceScale, latentsDtype } = settings;
  const rowSize = elementCount(pipeline.latentShape);
  const random = samplerRandom(settings);
  const isGuided = pipeline.usesGuidance(guidanceScale);

  /** Groups whose rows fill a run of the network at every step. */
  function groupsPerPart(widths: readonly number[]): number {
    const factor = isGuided ? 2 : 1;
    const groups = widths.slice(0, -1).map((width) => {
      const rows = width * factor;
      return Math.ceil(denoiser.rowsPerRun(groupsPerBatch * rows) / rows);
    });
    return Math.max(...groups);
  }

  async function rolloutPart(
    groups: readonly RolloutRequest[],
    widths: readonly number[],
    trainedSteps: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<RolledOutPart> {
    const firstStep = trainedSteps[0] ?? 0;
    const rowsAt = (depth: number) => embedRows(pipeline, ownersOf(groups, at(widths, depth)));
    let rows = await rowsAt(0);
    let latents = drawRows(rows.owners, rowSize, random.initial);
    if (latentsDtype === 'float16') latents = latents.map(roundToFloat16);
    const recorded: Depth[] = [];
    for (const coefficients of stochasticCoefficients(pipeline.schedule, settings, trainedSteps)) {
      const { stepIndex, timestep, stdDevT } = coefficients;
      const before = latents;
      const batchRows = groupsPerBatch * at(widths, stepIndex);
      const run = { batchRows, timestep, guidanceScale, isGuided, signal };
      let modelOutput = await predictGuided(denoiser, rows, latents, run);
      const ways = at(widths, stepIndex + 1) / at(widths, stepIndex);
      if (ways > 1) {
        latents = repeatRows(latents, rowSize, ways);
        modelOutput = repeatRows(modelOutput, rowSize, ways);
        rows = await rowsAt(stepIndex + 1);
      }
      const { nextLatents, logProb } = ddimStep({
        latents,
        modelOutput,
        noise:
          stdDevT === 0 ? null : drawRows(rows.owners, rowSize, (owner) => random.step(owner, stepIndex)),
        coefficients,
        batchSize: rows.owners.length,
        storage: latentsDtype,
        ...(settings.logProb && { logProb: settings.logProb }),
      });
      if (stepIndex >= firstStep) recorded.push({ latents: before, logProb });
      latents = nextLatents;
    }
    recorded.push({ latents, logProb: null });
    return { recorded, images: await pipeline.decode(latents, rows.owners.length) };
  }

  const rollout: Sampler['rollout'] = async (requests, trainedSteps, signal) => {
    requireFit(requests, groupsPerBatch);
    const widths = treeWidths(settings, trainedSteps, numInferenceSteps);
    const size = groupsPerPart(widths);
    const firstStep = trainedSteps[0] ?? 0;
    const tree: RolloutTree = { firstStep, widths: widths.slice(firstStep) };
    const leaves = leafCount(tree);
    const parts = Array.from({ length: Math.ceil(requests.length / size) }, (_, index) =>
      requests.slice(index * size, (index + 1) * size),
    );
    const rollOut = async (wanted: readonly RolloutRequest[], either: AbortSignal) => {
      const { recorded, images } = await rolloutPart(fillUp(wanted, size), widths, trainedSteps, either);
      const imageSize = images.length / (size * leaves);
      return wanted.map(({ size: asked }, group) => ({
        tree,
        branches: Array.from({ length: leaves }, (_, leaf) => ({
          trajectory: {
            ...pathOf(tree, recorded, { group, leaf }, rowSize),
            ...(asked && { latentShape: pipeline.latentShape }),
          },
          image: images.slice((group * leaves + leaf) * imageSize, (group * leaves + leaf + 1) * imageSize),
        })),
      }));
    };
    const rolledOut = await sideBySide(parts, parts.length, rollOut, signal ?? new AbortController().signal);
    return rolledOut.flat();
  };
  return { rollout };
}

/** What the groups of a part have been through. */
interface RolledOutPart {
  readonly recorded: readonly Depth[];
  /** [leaves, 3, H, W]. */
  readonly images: Float32Array;
}

function ownersOf(groups: readonly RolloutRequest[], width: number): RowOwner[] {
  return groups.flatMap((group) => Array.from({ length: width }, (_, branch) => ({ ...group, branch })));
}

/** Draws from N(0, 1), every row from the stream of its owner. */
function drawRows(
  owners: readonly RowOwner[],
  rowSize: number,
  streamOf: (owner: RowOwner) => CounterRandom,
): Float32Array {
  const rows = new Float32Array(owners.length * rowSize);
  for (const [row, owner] of owners.entries()) rows.set(streamOf(owner).normal(rowSize), row * rowSize);
  return rows;
}

/** All nodes of one depth, and the log-probs of the edges that leave it; null where they are deterministic. */
interface Depth {
  readonly latents: Float32Array;
  readonly logProb: Float32Array | null;
}

/** Copies the path of a leaf out of the recorded depths. */
function pathOf(
  tree: RolloutTree,
  recorded: readonly Depth[],
  { group, leaf }: { readonly group: number; readonly leaf: number },
  rowSize: number,
): Trajectory {
  const start = pathDepth(tree, leaf);
  const depths = recorded.slice(start);
  const rowAt = (depth: number) =>
    group * at(tree.widths, depth) + Math.floor(leaf / leavesPerNode(tree, depth));
  const latents = new Float32Array(depths.length * rowSize);
  const logProbs = new Float32Array(depths.length - 1);
  for (const [index, { latents: nodes, logProb }] of depths.entries()) {
    const from = rowAt(start + index) * rowSize;
    latents.set(nodes.subarray(from, from + rowSize), index * rowSize);
    if (logProb) logProbs[index] = at(logProb, rowAt(start + index + 1));
  }
  return { firstStep: tree.firstStep + start, latents, logProbs };
}

function requireFit(requests: readonly RolloutRequest[], count: number): void {
  if (requests.length >= 1 && requests.length <= count) return;
  const text = `rollout: expected 1 to ${count} groups, got ${requests.length}. Split the batch.`;
  throw new TributaryError('TRIB_INTERNAL', text);
}

function fillUp(requests: readonly RolloutRequest[], count: number): readonly RolloutRequest[] {
  const filled = Array.from({ length: count - requests.length }, () => at(requests, 0));
  return [...requests, ...filled];
}
