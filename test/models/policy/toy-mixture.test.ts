/** @file Whole algorithms on a denoiser in closed form: they must raise the reward, and a KL term must hold the policy back. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backPropagatedRule,
  branchCenteredRule,
  groupZScoreRule,
  historyRule,
  perPromptRule,
  rewardRule,
  sameDepthRule,
} from '../../../src/operators/index.js';
import type { IntervalSpec } from '../../../src/operators/interval-schedule.js';
import { RUNS_ALL } from '../../fixtures/test-all.js';
import { openToyMixture, type ToyAlgorithm, type ToyMixture } from '../../fixtures/toy-mixture.js';

const all: IntervalSpec = { mode: 'constant', steps: 8 };
const growing: IntervalSpec = { mode: 'floor-linear', first: 5, last: 8 };
const window: IntervalSpec = { mode: 'window', length: 3, everyRounds: 1 };

const perPrompt = perPromptRule({ bufferSize: 64, minCount: 2, stdFloor: 0 });
const release = historyRule({ historyRounds: 8, bestThreshold: 0.5, worstThreshold: -0.5, stdFloor: 0 });
const centered = branchCenteredRule({ minGap: 0.1, keep: 'extremes', historyRounds: 8, stdFloor: 0 });
const group = groupZScoreRule({ std: 'group', stdFloor: 0 });
// The reward of the pretrained model: mean about -4.7, standard deviation about 5.
const standardized = rewardRule({ center: -5, scale: 5 });

const dpok = (klWeight: number, kl: 'eps-mse' | 'exact' = 'exact'): ToyAlgorithm => ({
  rule: standardized,
  spec: all,
  trainer: {
    surrogate: { type: 'dpok', rewardWeight: 1, klWeight, kl, clipRange: 0.2 },
    updates: {
      from: 'replay',
      capacity: 512,
      updatesPerRound: 2,
      transitionsPerUpdate: 256,
      drawsPerUpdate: 1,
    },
  },
});

const ALGORITHMS: readonly (readonly [name: string, algorithm: ToyAlgorithm])[] = [
  ['DDPO-IS', { rule: perPrompt, spec: all, trainer: {} }],
  ['DDPO-SF', { rule: perPrompt, spec: all, trainer: { surrogate: { type: 'ddpo-sf', advClipMax: 5 } } }],
  ['DPOK', dpok(0.01)],
  ['DPOK with a value network', { ...dpok(0.01), withValueNetwork: true }],
  ['B² as released', { rule: release, spec: growing, sampler: { numBranches: 4 }, trainer: {} }],
  ['B², branch-centered', { rule: centered, spec: growing, sampler: { numBranches: 4 }, trainer: {} }],
  [
    'B² on DPOK',
    {
      ...dpok(0.01),
      rule: release,
      spec: growing,
      sampler: { numBranches: 4 },
      trainer: { surrogate: { type: 'dpok', rewardWeight: 1, klWeight: 0.01, kl: 'exact', clipRange: 0.2 } },
    },
  ],
  [
    'B² on D3PO',
    {
      rule: centered,
      spec: growing,
      sampler: { numBranches: 4 },
      trainer: { surrogate: { type: 'd3po', preferenceBeta: 5, clipRange: 0.5 } },
    },
  ],
  [
    'GRPO with KL',
    {
      rule: group,
      spec: all,
      sampler: { numBranches: 4, forkPlan: 'independent' },
      trainer: { surrogate: { type: 'grpo', clipRange: 0.2, advClipMax: 5, klWeight: 0.001 } },
    },
  ],
  [
    'MixGRPO',
    {
      rule: group,
      spec: window,
      sampler: { numBranches: 4, stochasticSteps: 'trained' },
      trainer: {},
    },
  ],
  [
    'BranchGRPO',
    {
      rule: sameDepthRule({ stdFloor: 0 }),
      spec: all,
      sampler: { numBranches: 2, forkPlan: 'steps', forkSteps: [0, 2, 4] },
      trainer: {},
    },
  ],
  [
    'TreeGRPO',
    {
      rule: backPropagatedRule({ stdFloor: 0 }),
      spec: window,
      sampler: { numBranches: 2, forkPlan: 'trained-steps', stochasticSteps: 'trained' },
      trainer: {},
    },
  ],
  [
    'reward-weighted regression',
    {
      rule: perPrompt,
      spec: all,
      trainer: {
        surrogate: {
          type: 'reward-weighted',
          weighting: 'exponential',
          inverseTemperature: 1,
          timestepsPerSample: 8,
        },
      },
    },
  ],
  [
    'DiffusionNFT',
    {
      rule: group,
      spec: all,
      sampler: { numBranches: 4, forkPlan: 'independent', stochasticSteps: 'none' },
      trainer: {
        surrogate: {
          type: 'diffusion-nft',
          mixtureBeta: 1,
          advClipMax: 2,
          klWeight: 0,
          timestepsPerSample: 8,
        },
      },
    },
  ],
  [
    'AWM',
    {
      rule: group,
      spec: all,
      sampler: { numBranches: 4, forkPlan: 'independent', stochasticSteps: 'none' },
      trainer: {
        surrogate: {
          type: 'awm',
          likelihood: 'squared-error',
          clipRange: 1,
          advClipMax: 2,
          klWeight: 0,
          timestepsPerSample: 8,
        },
      },
    },
  ],
];

let toy: ToyMixture;
beforeAll(async () => {
  toy = await openToyMixture();
});
afterAll(() => toy.close());

describe('algorithms on two Gaussians with their exact score', () => {
  it.each(ALGORITHMS)('should raise the reward: %s', async (_, algorithm) => {
    const { before, after, statistics } = await toy.run(algorithm);
    // Half of the pretrained model's points lie around the wrong mean, at a distance of 3: about -4.7.
    expect(before).toBeGreaterThan(-5.5);
    expect(before).toBeLessThan(-4);
    expect(after).toBeGreaterThan(before + 1);
    expect(statistics[0]?.maxRatioDeviation).toBeLessThan(5e-5); // a mean over two dimensions averages out no rounding
  });

  it.each(['exact', 'eps-mse'] as const)(
    'should let the KL of DPOK fall as its weight rises, with kl %s',
    async (kl) => {
      const final: number[] = [];
      for (const klWeight of RUNS_ALL ? [0, 0.03, 0.3, 3] : [0, 0.3, 3]) {
        const { statistics } = await toy.run(dpok(klWeight, kl));
        final.push(statistics.at(-1)?.klToPretrained ?? Number.NaN);
      }
      for (const [index, value] of final.slice(1).entries())
        expect(value).toBeLessThan(final[index] as number);
    },
  );
});
