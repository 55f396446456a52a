/** @file Every surrogate of the list, with its defaults, through one round of the tiny pipeline. */

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { createSurrogate, SURROGATES, type SurrogateSettings } from '../../../src/models/objectives/index.js';
import type { PolicyState, TrainedRound } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import type { SamplerSettings } from '../../../src/models/rollouts/sampler.js';
import {
  type OpenTiny,
  openTiny,
  openTinyTrainer,
  stepsFrom,
  TINY_SAMPLER,
} from '../../fixtures/open-tiny.js';
import { recorded, trainedRows } from '../../fixtures/recorded-engine.js';
import { largestDifference } from '../../fixtures/run-model.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';

/** An adapter so small that no ratio to the pretrained model leaves the band of D3PO. */
const STD_DEV = 0.1;
/** Each costs a run of the graph. */
const TRAINED_STEPS = stepsFrom(3);
const PICTURES: Partial<SamplerSettings> = {
  forkPlan: 'independent',
  stochasticSteps: 'none',
  guidanceScale: 1,
};

let tiny: OpenTiny;
let trajectories: { readonly samples: readonly TrainingSample[]; readonly state: PolicyState };
let pictures: typeof trajectories;
beforeAll(async () => {
  tiny = await openTiny();
  trajectories = await sampleTiny(tiny, {}, TRAINED_STEPS, STD_DEV);
  pictures = await sampleTiny(tiny, PICTURES, TRAINED_STEPS, STD_DEV);
});
afterAll(() => tiny.close());

const SETTINGS = SURROGATES.entries.map(
  ({ name, fields }) =>
    ({ type: name, ...z.object(fields as z.core.$ZodLooseShape).parse({}) }) as SurrogateSettings,
);

describe.each(SETTINGS.map((surrogate) => [surrogate.type, surrogate] as const))('%s', (_, surrogate) => {
  const { trainsOn, references, clipRange } = createSurrogate(surrogate);
  let before: PolicyState;
  let train: () => Promise<TrainedRound>;
  let trained: TrainedRound;

  beforeAll(async () => {
    const onPictures = trainsOn === 'denoising';
    const { samples, state } = onPictures ? pictures : trajectories;
    const sampling = { ...TINY_SAMPLER, ...(onPictures ? PICTURES : {}) };
    const updates = { from: 'round', innerEpochs: 2, samplesPerUpdate: 12, remainder: 'train' } as const;
    const trainer = await openTinyTrainer(tiny, { surrogate, sampling, updates, minibatchSize: 12 });
    before = state;
    train = () => trainer.train(stageOf(samples, { trainedSteps: TRAINED_STEPS }), state);
    trained = await train();
  });

  it('should train every parameter, to the same bytes every time', async () => {
    const { state, statistics } = trained;
    // Twelve samples, or the four pairs of the best and the worst of four groups, are one update an epoch.
    expect(statistics.optimizerSteps).toBe(2);
    expect(Number.isFinite(statistics.policyLoss)).toBe(true);
    expect(statistics.gradNorm).toBeGreaterThan(0);
    for (const [name, values] of Object.entries(state.parameters)) {
      expect(values.every(Number.isFinite), name).toBe(true);
      expect(values, name).not.toEqual(before.parameters[name]);
    }
    expect(await train()).toEqual(trained);
  });

  it('should start at ratio 1, and say what its graph can know', () => {
    const { statistics } = trained;
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
    const hasSteps = trainsOn !== 'denoising';
    expect(statistics.approxKl > 0).toBe(hasSteps);
    expect(statistics.klToPretrained !== null).toBe(hasSteps && references.includes('pretrained'));
    if (clipRange === null) expect(statistics.clipFraction).toBe(0);
  });
});

describe('the surrogates that were published for flows', () => {
  let flow: OpenTiny;
  beforeAll(async () => {
    flow = await openTiny({ as: 'flow' });
  });
  afterAll(() => flow.close());

  it.each(['diffusion-nft', 'awm', 'grpo'] as const)('should train a flow: %s', async (type) => {
    const surrogate = SETTINGS.find((settings) => settings.type === type) as SurrogateSettings;
    const noise: Partial<SamplerSettings> = type === 'grpo' ? { eta: 0.7 } : PICTURES;
    const { samples, state } = await sampleTiny(flow, noise, TRAINED_STEPS, STD_DEV);
    const trainer = await openTinyTrainer(flow, { surrogate, sampling: { ...TINY_SAMPLER, ...noise } });
    const round = stageOf(samples, { trainedSteps: TRAINED_STEPS });
    const { statistics, state: after } = await trainer.train(round, state);
    expect(Number.isFinite(statistics.policyLoss)).toBe(true);
    for (const [name, values] of Object.entries(after.parameters))
      expect(values, name).not.toEqual(state.parameters[name]);
  });
});

describe('a surrogate of noised pictures', () => {
  it('should train to the same gradient where the model takes one timestep', async () => {
    const scalar = await openTiny({ oneTimestep: true });
    onTestFinished(() => scalar.close());
    const changes = {
      surrogate: { type: 'sft', form: 'kl-d', gamma: 1, timestepsPerSample: 2 },
      sampling: { ...TINY_SAMPLER, ...PICTURES },
    } as const;
    const { samples, state } = pictures;
    const { opened, runs } = recorded(scalar);
    const one = await (await openTinyTrainer(opened, changes)).train(stageOf(samples), state);
    const many = await (await openTinyTrainer(tiny, changes)).train(stageOf(samples), state);
    const rows = trainedRows(runs);
    expect(rows).toHaveLength(24);
    expect(rows.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 6);
    const [found, expected] = [one, many].map(({ state: { optimizer } }) =>
      Float32Array.from(Object.values(optimizer.firstMoments).flatMap((values) => [...values])),
    ) as [Float32Array, Float32Array];
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1e-5);
    expect(largestDifference(found, expected)).toBeLessThan(1e-5);
  });
});
