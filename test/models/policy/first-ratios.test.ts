/** @file The policy that trains is the policy that sampled: before the first update every ratio is 1. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyState } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import type { SamplerSettings } from '../../../src/models/rollouts/sampler.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import {
  openTiny,
  openTinySampler,
  openTinyTrainer,
  stepsFrom,
  TINY_SAMPLER,
} from '../../fixtures/open-tiny.js';
import { recorded, trainedRows } from '../../fixtures/recorded-engine.js';
import { sampleTiny, stageOf, untrained } from '../../fixtures/sample-tiny.js';
import { casesOf } from '../../fixtures/test-all.js';

let tiny: OpenTiny;
let flow: OpenTiny;
let samples: readonly TrainingSample[];
let state: PolicyState;

beforeAll(async () => {
  tiny = await openTiny();
  ({ samples, state } = await sampleTiny(tiny));
  flow = await openTiny({ as: 'flow' });
});
afterAll(() => Promise.all([tiny.close(), flow.close()]));

const ascending = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);

describe('ratios before the first update', () => {
  const GUIDED_STEPS: readonly Partial<SamplerSettings>[] = casesOf<Partial<SamplerSettings>>(
    [
      { guidanceScale: 0, numInferenceSteps: 5 },
      { guidanceScale: 1, numInferenceSteps: 5 },
      { guidanceScale: 2, numInferenceSteps: 20, latentsDtype: 'float16' },
    ],
    [
      { guidanceScale: 2, numInferenceSteps: 5 },
      { guidanceScale: 2, numInferenceSteps: 20 },
      { guidanceScale: 1, numInferenceSteps: 20, latentsDtype: 'float16' },
    ],
  );

  it.each(GUIDED_STEPS)('should be 1 within 1e-5 at every step: %j', async (settings) => {
    const { numInferenceSteps = 0, guidanceScale = 0 } = settings;
    const trainedSteps = stepsFrom(0, numInferenceSteps);
    const sampled = await sampleTiny(tiny, settings, trainedSteps);
    const trainer = await openTinyTrainer(tiny, {
      guidanceScale,
      sampling: { ...TINY_SAMPLER, ...settings },
    });
    const round = stageOf(sampled.samples.slice(0, 4), { trainedSteps });
    const { statistics } = await trainer.train(round, sampled.state);
    expect(statistics.optimizerSteps).toBe(1);
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
  });

  it('should be 1 along the paths of a tree, every edge of which is trained once', async () => {
    const trainedSteps = stepsFrom(0);
    const fork = { forkPlan: 'steps', forkSteps: [0, 2], numBranches: 2 } as const;
    const sampled = await sampleTiny(tiny, fork, trainedSteps);
    expect(sampled.samples).toHaveLength(16);
    const { opened, runs } = recorded(tiny);
    const updates = { from: 'round', innerEpochs: 1, samplesPerUpdate: 16, remainder: 'train' } as const;
    const trainer = await openTinyTrainer(opened, { updates });
    const { statistics } = await trainer.train(stageOf(sampled.samples, { trainedSteps }), sampled.state);
    // A float32 log-prob of 2 to 4 rounds at 2e-7; a few roundings are left.
    expect(statistics.maxRatioDeviation).toBeLessThan(2e-6);
    const rows = trainedRows(runs, 'oldLogProb');
    expect(rows).toHaveLength(4 * 16); // 2 + 2 + 4 + 4 + 4 edges in each of four trees
    const logProbs = sampled.samples.flatMap(({ trajectory }) => [...trajectory.logProbs]);
    expect(new Set(logProbs).size).toBe(64);
    expect(ascending(rows.map(({ oldLogProb }) => oldLogProb ?? 0))).toEqual(ascending(logProbs));
    for (const { weight } of rows) expect(weight).toBeCloseTo(1 / 64, 8);
  });

  it('should be 1 where trained steps alone draw noise', async () => {
    const sampling = { ...TINY_SAMPLER, stochasticSteps: 'trained' } as const;
    const sampled = await sampleTiny(tiny, sampling, [1, 2]);
    const trainer = await openTinyTrainer(tiny, { sampling });
    const round = stageOf(sampled.samples, { trainedSteps: [1, 2] });
    const { statistics } = await trainer.train(round, sampled.state);
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
  });

  it.each([
    { eta: 0.7, sde: 'flow-grpo' },
    { eta: 0.3, sde: 'dance-grpo' },
    { eta: 0.8, sde: 'cps' },
    { eta: 0.8, sde: 'cps', logProb: 'squared-distance' },
  ] as const)('should be 1 for a flow: %j', async (noise) => {
    // All but the last, which ends at σ = 0: the noise of flow-grpo has standard deviation 0.0007 there, and an untrained
    // network's latents of size 17 round at 1e-6. Flow-GRPO leaves that step out as well.
    // So is, under cps, the step that arrives at σ = 0.001, where nearly all noise is replaced: 0.00095.
    const trainedSteps = noise.sde === 'cps' ? [0, 1, 2] : [0, 1, 2, 3];
    const sampled = await sampleTiny(flow, noise, trainedSteps);
    const trainer = await openTinyTrainer(flow, { sampling: { ...TINY_SAMPLER, ...noise }, measureKl: true });
    const { statistics } = await trainer.train(stageOf(sampled.samples, { trainedSteps }), sampled.state);
    expect(statistics.maxRatioDeviation).toBeLessThan(2e-6);
    expect(statistics.klToPretrained).toBeGreaterThan(0);
  });

  it('should be 1 under negative prompts of single prompts, and off under others', async () => {
    const { sampler, parameters } = await openTinySampler(tiny, {}, 0.3);
    const negatives: readonly Pick<TrainingSample, 'negativePrompt'>[] = [
      {},
      { negativePrompt: 'two blue circles' },
    ];
    const requests = negatives.map((negative, groupIndex) => ({
      groupIndex,
      prompt: 'a red circle',
      ...negative,
    }));
    const groups = await sampler.rollout(requests, stepsFrom(0));
    const taught = groups.flatMap(({ branches }, group) =>
      branches.map(({ trajectory }) => ({
        ...{ groupId: `group-${group}`, prompt: 'a red circle', advantage: 1, stepAdvantages: null },
        ...negatives[group],
        trajectory,
      })),
    );
    const trainer = await openTinyTrainer(tiny);
    const deviation = async (samples: readonly TrainingSample[]) =>
      (await trainer.train(stageOf(samples, { trainedSteps: stepsFrom(0) }), untrained(parameters)))
        .statistics.maxRatioDeviation;
    expect(await deviation(taught)).toBeLessThan(1e-5);
    expect(await deviation(taught.map((sample) => ({ ...sample, negativePrompt: '' })))).toBeGreaterThan(
      1e-4,
    );
  });

  it('should be off where the sampler had another guidance, or other weights', async () => {
    const trainer = await openTinyTrainer(tiny, { guidanceScale: 1 });
    const guided = await trainer.train(stageOf(samples), state);
    expect(guided.statistics.maxRatioDeviation).toBeGreaterThan(1e-4);
    const same = await openTinyTrainer(tiny);
    const parameters = Object.fromEntries(
      Object.entries(state.parameters).map(([name, values]) => [name, values.map((value) => 0.5 * value)]),
    );
    const moved = await same.train(stageOf(samples), { ...state, parameters });
    expect(moved.statistics.maxRatioDeviation).toBeGreaterThan(1e-4);
  });
});
