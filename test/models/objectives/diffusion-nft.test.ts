import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { diffusionNft } from '../../../src/models/objectives/diffusion-nft.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const SETTINGS = { mixtureBeta: 1, advClipMax: 5, klWeight: 0, timestepsPerSample: 6 };
const surrogate = diffusionNft.create(SETTINGS);
/** Predictions 1 and 3 away from x_0 = 0: mean square 5, mean distance 2. */
const OFF = { cleanPrediction: [[1, 3]] } as const;

describe('diffusionNft', () => {
  it('should have no gradient for an indifferent picture while the policy is the old one', async () => {
    const found = await slopesOf(engine, surrogate, { advantage: [0], policy: OFF, old: OFF });
    // 5 (½ · 5/2 + ½ · 5/2)
    expect(found.loss).toEqual(closeTo([12.5]));
    expect(found.byPrediction).toEqual(closeTo([0, 0]));
  });

  it.each([
    [5, [2.5, 7.5]],
    [50, [2.5, 7.5]],
    [2.5, [1.25, 3.75]],
    [-2.5, [-1.25, -3.75]],
    [-5, [-2.5, -7.5]],
    [-50, [-2.5, -7.5]],
  ])(
    'should move toward a good picture and as much away from a bad one: A = %d',
    async (advantage, slopes) => {
      const found = await slopesOf(engine, surrogate, { advantage: [advantage], policy: OFF, old: OFF });
      expect(found.loss).toEqual(closeTo([12.5]));
      // (2r - 1) · 5 · 2 (x̂ - x_0) / D / 2, the 2 below being held constant
      expect(found.byPrediction).toEqual(closeTo(slopes));
    },
  );

  it('should mix the policy with the old one by mixtureBeta', async () => {
    const mixing = diffusionNft.create({ ...SETTINGS, mixtureBeta: 0.5 });
    const rows = {
      policy: { cleanPrediction: [[0, 0]] },
      old: { cleanPrediction: [[2, 2]] },
    } as const;
    // x̂⁺ = 1: distance 1, times 5 / ½; slope 2 · 1 · ½ / D · 10
    const good = await slopesOf(engine, mixing, { ...rows, advantage: [5] });
    expect([good.loss, good.byPrediction]).toEqual([closeTo([10]), closeTo([5, 5])]);
    // x̂⁻ = 3: distance 9/3, times 10; slope -2 · 3 · ½ / D / 3 · 10
    const bad = await slopesOf(engine, mixing, { ...rows, advantage: [-5] });
    expect([bad.loss, bad.byPrediction]).toEqual([closeTo([30]), closeTo([-5, -5])]);
  });

  it('should stay finite where the prediction is the picture', async () => {
    const found = await slopesOf(engine, surrogate, { advantage: [5], policy: {}, old: {} });
    expect(found.loss).toEqual([0]);
    expect(found.byPrediction).toEqual([0, 0]);
  });

  it('should hold the output to the pretrained one by klWeight', async () => {
    const held = diffusionNft.create({ ...SETTINGS, klWeight: 2 });
    expect([surrogate.references, held.references]).toEqual([['old'], ['old', 'pretrained']]);
    const found = await slopesOf(engine, held, {
      advantage: [5],
      policy: { modelOutput: [[1, 2]] },
      old: {},
      pretrained: {},
    });
    expect(found.loss).toEqual(closeTo([5]));
    expect(found.byOutput).toEqual(closeTo([2, 4]));
  });
});
