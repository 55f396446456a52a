import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyState } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import { flat } from '../../fixtures/flat.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import { openTiny, openTinyTrainer } from '../../fixtures/open-tiny.js';
import { recorded } from '../../fixtures/recorded-engine.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';

let tiny: OpenTiny;
let samples: readonly TrainingSample[];
let state: PolicyState;

beforeAll(async () => {
  tiny = await openTiny();
  ({ samples, state } = await sampleTiny(tiny));
});
afterAll(() => tiny.close());

describe('the policy that samples', () => {
  it('should be the trained one, or an average that follows it', async () => {
    const [plain, slow] = [
      await openTinyTrainer(tiny),
      await openTinyTrainer(tiny, { samplingPolicyDecay: 0.75 }),
    ];
    const { state: trained } = await plain.train(stageOf(samples), state);
    expect(trained.samplingParameters).toEqual(trained.parameters);
    const { state: followed } = await slow.train(stageOf(samples), state);
    expect(followed.parameters).toEqual(trained.parameters);
    const before = flat(state.parameters);
    const after = flat(trained.parameters);
    const expected = before.map((value, index) => 0.75 * value + 0.25 * (after[index] ?? 0));
    expect(flat(followed.samplingParameters)).toEqual(expected);
  });

  it('should be the old policy of the surrogates that compare with it', async () => {
    const { opened, holds } = recorded(tiny);
    const trainer = await openTinyTrainer(opened, {
      surrogate: { type: 'grpo-guard', clipRange: 0.1, advClipMax: 5 },
      updates: { from: 'round', innerEpochs: 2, samplesPerUpdate: 12, remainder: 'train' },
    });
    const parameters = Object.fromEntries(
      Object.entries(state.parameters).map(([name, values]) => [name, values.map((value) => 0.99 * value)]),
    );
    const { state: after } = await trainer.train(stageOf(samples), { ...state, parameters });
    const [name = ''] = Object.keys(parameters);
    expect(holds).toHaveLength(2);
    for (const feeds of holds) expect(feeds[`old:${name}`]?.data).toEqual(state.samplingParameters[name]);
    expect(holds[0]?.[name]?.data).toEqual(parameters[name]);
    expect(holds[1]?.[name]?.data).not.toEqual(parameters[name]);
    expect(after.samplingParameters).toEqual(after.parameters);
  });
});
