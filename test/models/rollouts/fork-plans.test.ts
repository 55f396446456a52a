import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ddimStep } from '../../../src/models/diffusion/ddim-step.js';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import type { ForkSettings } from '../../../src/models/rollouts/fork-plans.js';
import { FORK_PLANS, treeWidths } from '../../../src/models/rollouts/fork-plans.js';
import type { SampledGroup } from '../../../src/models/rollouts/sampler.js';
import { leavesPerNode } from '../../../src/rollout-tree.js';
import { halvingSampler } from '../../fixtures/halving-denoiser.js';
import { type OpenTiny, openTiny, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';

const ROW = 3 * 16 * 16;
const STEPS = TINY_SAMPLER.numInferenceSteps;
const GROUP = 9;
const REQUEST = { groupIndex: GROUP, prompt: TINY_PROMPTS[0] ?? '' };

const forks = (
  forkPlan: ForkSettings['forkPlan'],
  numBranches: number,
  forkSteps: number[] = [],
): ForkSettings => ({
  forkPlan,
  forkSteps,
  numBranches,
});

describe('treeWidths', () => {
  it.each([
    ['one fork at the first trained step', forks('interval', 3), [2, 3, 4], [1, 1, 1, 3, 3, 3]],
    ['the interval of all steps', forks('interval', 3), [0, 1, 2, 3, 4], [1, 3, 3, 3, 3, 3]],
    ['nothing to train', forks('interval', 3), [], [1, 1, 1, 1, 1, 1]],
    ['roots of their own', forks('independent', 3), [2, 3, 4], [3, 3, 3, 3, 3, 3]],
    ['two forks in two', forks('steps', 2, [0, 2]), [0, 1, 2, 3, 4], [1, 2, 2, 4, 4, 4]],
    ['forks outside of what is trained', forks('steps', 2, [0, 4]), [2], [1, 2, 2, 2, 2, 4]],
    ['a fork at every trained step', forks('trained-steps', 3, []), [1, 2], [1, 1, 3, 9, 9, 9]],
    ['a fork at every one of sparse steps', forks('trained-steps', 2), [0, 3], [1, 2, 2, 2, 4, 4]],
    ['one branch', forks('steps', 1, [0, 2]), [0, 1, 2, 3, 4], [1, 1, 1, 1, 1, 1]],
  ])('should count latents before each step, and leaves: %s', (_, settings, trainedSteps, widths) => {
    expect(treeWidths(settings, trainedSteps, 5)).toEqual(widths);
  });

  it('should make the sixteen leaves of BranchGRPO', () => {
    const widths = treeWidths(forks('steps', 2, [0, 3, 6, 9]), stepsFrom(0, 20), 20);
    expect(widths).toHaveLength(21);
    expect([0, 1, 3, 4, 6, 7, 9, 10, 20].map((step) => widths[step])).toEqual([1, 2, 2, 4, 4, 8, 8, 16, 16]);
  });

  it('should know every plan by one name', () => {
    expect(FORK_PLANS.map(({ name }) => name)).toEqual(['interval', 'independent', 'steps', 'trained-steps']);
  });
});

describe('rollouts of trees', () => {
  let tiny: OpenTiny;
  beforeAll(async () => {
    tiny = await openTiny();
  });
  afterAll(() => tiny.close());

  async function rollout(settings: ForkSettings, trainedSteps: readonly number[]) {
    const { sampler, calls } = halvingSampler(tiny.pipeline, { ...settings, guidanceScale: 1 });
    const [group] = await sampler.rollout([REQUEST], trainedSteps);
    return { group: group as SampledGroup, calls };
  }

  const trajectoriesOf = ({ branches }: SampledGroup) => branches.map(({ trajectory }) => trajectory);
  /** Latents before a sampler step, of a leaf's own path. */
  const latentsBefore = (group: SampledGroup, leaf: number, step: number) => {
    const { firstStep, latents } = trajectoriesOf(group)[leaf] ?? {
      firstStep: 0,
      latents: new Float32Array(),
    };
    return latents.subarray((step - firstStep) * ROW, (step - firstStep + 1) * ROW);
  };

  it('should cut the tree of two forks into paths that own every edge once', async () => {
    const { group, calls } = await rollout(forks('steps', 2, [0, 2]), stepsFrom(0));
    expect(group.tree).toEqual({ firstStep: 0, widths: [1, 2, 2, 4, 4, 4] });
    const paths = trajectoriesOf(group);
    expect(paths.map(({ firstStep }) => firstStep)).toEqual([0, 2, 0, 2]);
    expect(paths.map(({ logProbs }) => logProbs.length)).toEqual([5, 3, 5, 3]);
    expect(paths.map(({ latents }) => latents.length / ROW)).toEqual([6, 4, 6, 4]);
    // 2 + 2 + 4 + 4 + 4 edges arrive at as many different latents.
    const arrivals = paths.flatMap(({ firstStep, logProbs }, leaf) =>
      [...logProbs.keys()].map((index) => latentsBefore(group, leaf, firstStep + index + 1).join()),
    );
    expect(new Set(arrivals).size).toBe(16);
    // One evaluation for all edges that leave a node, in a batch of four groups.
    expect(calls.map(({ rows }) => rows)).toEqual([4, 8, 8, 16, 16]);
  });

  it('should begin a path at the latents that it shares, bit for bit', async () => {
    const { group } = await rollout(forks('steps', 2, [0, 2]), stepsFrom(0));
    expect(latentsBefore(group, 1, 2)).toEqual(latentsBefore(group, 0, 2));
    expect(latentsBefore(group, 2, 0)).toEqual(latentsBefore(group, 0, 0));
    expect(latentsBefore(group, 3, 2)).toEqual(latentsBefore(group, 2, 2));
    expect(latentsBefore(group, 2, 1)).not.toEqual(latentsBefore(group, 0, 1));
  });

  it('should take every edge with the noise of its node, once', async () => {
    const { group } = await rollout(forks('steps', 2, [0, 2]), stepsFrom(0));
    const coefficients = stochasticCoefficients(tiny.pipeline.schedule, TINY_SAMPLER, []);
    for (const [leaf, { firstStep, logProbs }] of trajectoriesOf(group).entries()) {
      for (let step = firstStep; step < STEPS; step++) {
        const latents = latentsBefore(group, leaf, step);
        const branch = Math.floor(leaf / leavesPerNode(group.tree, step + 1));
        const place = { seed: TINY_SAMPLER.seed, purpose: 'step-noise', group: GROUP, branch, step } as const;
        const { nextLatents, logProb } = ddimStep({
          latents,
          modelOutput: latents.map((value) => value / 2),
          noise: counterRandom(place).normal(ROW),
          coefficients: coefficients[step] as StepCoefficients,
          batchSize: 1,
        });
        expect(latentsBefore(group, leaf, step + 1)).toEqual(nextLatents);
        expect(logProbs[step - firstStep]).toBe(logProb?.[0]);
      }
    }
  });

  it('should start independent branches from noise of their own, the first as a single rollout', async () => {
    const { group, calls } = await rollout(forks('independent', 3), stepsFrom(0));
    const { group: single } = await rollout(forks('independent', 1), stepsFrom(0));
    expect(group.tree).toEqual({ firstStep: 0, widths: [3, 3, 3, 3, 3, 3] });
    expect(calls.map(({ rows }) => rows)).toEqual([12, 12, 12, 12, 12]);
    for (let branch = 0; branch < 3; branch++) {
      const place = { seed: TINY_SAMPLER.seed, purpose: 'initial-latents', group: GROUP, branch } as const;
      expect(latentsBefore(group, branch, 0)).toEqual(counterRandom(place).normal(ROW));
      expect(trajectoriesOf(group)[branch]?.firstStep).toBe(0);
    }
    expect(group.branches[0]).toEqual(single.branches[0]);
  });

  it('should record a fork at every trained step of a window, to the end', async () => {
    const { group } = await rollout(forks('trained-steps', 2), [1, 2]);
    expect(group.tree).toEqual({ firstStep: 1, widths: [1, 2, 4, 4, 4] });
    expect(trajectoriesOf(group).map(({ firstStep }) => firstStep)).toEqual([1, 2, 1, 2]);
    expect(trajectoriesOf(group).map(({ logProbs }) => logProbs.length)).toEqual([4, 3, 4, 3]);
    expect(latentsBefore(group, 1, 2)).toEqual(latentsBefore(group, 0, 2));
    expect(latentsBefore(group, 2, 1)).toEqual(latentsBefore(group, 0, 1));
  });

  it('should record from the first trained step a tree that forked before it', async () => {
    const { group } = await rollout(forks('steps', 2, [0, 2]), [1, 3]);
    expect(group.tree).toEqual({ firstStep: 1, widths: [2, 2, 4, 4, 4] });
    expect(trajectoriesOf(group).map(({ firstStep }) => firstStep)).toEqual([1, 2, 1, 2]);
    const { group: whole } = await rollout(forks('steps', 2, [0, 2]), stepsFrom(0));
    expect(latentsBefore(group, 2, 1)).toEqual(latentsBefore(whole, 2, 1));
    expect(group.branches.map(({ image }) => image)).toEqual(whole.branches.map(({ image }) => image));
  });
});
