import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyState } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import { openTiny, openTinyTrainer, stepsFrom } from '../../fixtures/open-tiny.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';

let tiny: OpenTiny;
let samples: readonly TrainingSample[];
let state: PolicyState;

beforeAll(async () => {
  tiny = await openTiny();
  ({ samples, state } = await sampleTiny(tiny));
});
afterAll(() => tiny.close());

describe('logRatios', () => {
  it('should be 0 up to rounding for the policy that sampled, whatever the minibatch', async () => {
    for (const minibatchSize of [4, 7]) {
      const trainer = await openTinyTrainer(tiny, { minibatchSize });
      const logRatios = await trainer.logRatios({ samples, trainedSteps: [2, 4] }, state.parameters);
      expect(logRatios).toHaveLength(2 * samples.length);
      expect(Math.max(...(logRatios ?? []).map(Math.abs))).toBeLessThan(1e-5);
    }
  });

  it('should show another policy, and take no step', async () => {
    const trainer = await openTinyTrainer(tiny);
    const { state: other } = await trainer.train(stageOf(samples), state);
    const before = structuredClone(other.parameters);
    const logRatios = await trainer.logRatios({ samples, trainedSteps: stepsFrom(2) }, other.parameters);
    expect(Math.max(...(logRatios ?? []).map(Math.abs))).toBeGreaterThan(1e-5);
    expect(other.parameters).toEqual(before);
  });

  it('should be null where the surrogate has no log-probs', async () => {
    const trainer = await openTinyTrainer(tiny, {
      surrogate: {
        type: 'awm',
        likelihood: 'ghuber',
        clipRange: 1,
        advClipMax: 1,
        klWeight: 0,
        timestepsPerSample: 2,
      },
      guidanceScale: 1,
      measureKl: false,
      gradientCheckpointing: 'off',
    });
    expect(await trainer.logRatios({ samples, trainedSteps: [2] }, state.parameters)).toBeNull();
  });
});
