import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { ddpoIs } from '../../../src/models/objectives/ddpo-is.js';
import { dpok } from '../../../src/models/objectives/dpok.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const CLIP_RANGE = 0.125;
const rewardOnly = dpok.create({ rewardWeight: 10, klWeight: 0, kl: 'eps-mse', clipRange: CLIP_RANGE });

/** Ratio of every row, once with either sign of the advantage. */
const RATIOS = [1.25, 0.75, 1.0625, 0.9375];
const drifted = (advantage: number) => ({
  advantage: RATIOS.map(() => advantage),
  policy: { logProb: RATIOS.map(Math.log) },
});

/** Outputs 1 and 2 apart from the pretrained ones; k = -0.5 makes the means -0.5 and -1 apart. */
const APART = {
  advantage: [0],
  policy: { modelOutput: [[4, 5]], mean: [[1.5, 1]] },
  pretrained: { modelOutput: [[3, 3]], mean: [[2, 2]] },
  stdDevT: [0.2],
} as const;

describe('dpok', () => {
  it.each([
    [2, [-22.5, -17.5, -21.25, -18.75], [0, 0, -21.25, -18.75]],
    [-3, [33.75, 26.25, 31.875, 28.125], [0, 0, 31.875, 28.125]],
  ])(
    'should have no reward gradient outside the band, on neither side: A = %d',
    async (advantage, loss, slopes) => {
      const found = await slopesOf(engine, rewardOnly, drifted(advantage));
      expect(found.loss).toEqual(closeTo(loss));
      expect(found.byLogProb).toEqual(closeTo(slopes));
    },
  );

  it.each([
    [2, [0, -1.5, -2.125, -1.875]],
    [-3, [3.75, 0, 3.1875, 2.8125]],
  ])(
    'should differ in that from PPO, which keeps the gradient on one side: A = %d',
    async (advantage, slopes) => {
      const ppo = ddpoIs.create({ clipRange: CLIP_RANGE, advClipMax: 5 });
      expect((await slopesOf(engine, ppo, drifted(advantage))).byLogProb).toEqual(closeTo(slopes));
    },
  );

  it('should not clip the advantage', async () => {
    const { loss } = await slopesOf(engine, rewardOnly, { advantage: [50, -50], policy: {} });
    expect(loss).toEqual(closeTo([-500, 500]));
  });

  it('should add the mean squared difference of outputs: eps-mse', async () => {
    const surrogate = dpok.create({ rewardWeight: 10, klWeight: 2, kl: 'eps-mse', clipRange: CLIP_RANGE });
    const found = await slopesOf(engine, surrogate, APART);
    // 2 (1² + 2²) / 2, and 2 · 2 (1, 2) / 2
    expect(found.loss).toEqual(closeTo([5]));
    expect(found.byOutput).toEqual(closeTo([2, 4]));
    expect(found.byMean).toEqual([0, 0]);
  });

  it('should add |μ - μ_pre|² / (2σ²) by dimension, which is W/2 times eps-mse: exact', async () => {
    const surrogate = dpok.create({ rewardWeight: 10, klWeight: 1, kl: 'exact', clipRange: CLIP_RANGE });
    const found = await slopesOf(engine, surrogate, APART);
    // (0.5² + 1²) / 2 / 0.08; W = (0.5 / 0.2)² = 6.25, and 6.25 / 2 · 2.5 is the same
    expect(found.loss).toEqual(closeTo([7.8125]));
    // (μ - μ_pre) / (D σ²)
    expect(found.byMean).toEqual(closeTo([-6.25, -12.5]));
    expect(found.byOutput).toEqual([0, 0]);
  });

  it('should leave the KL on rows that have drifted out of the band', async () => {
    const surrogate = dpok.create({ rewardWeight: 10, klWeight: 2, kl: 'eps-mse', clipRange: CLIP_RANGE });
    const rows = { ...APART, advantage: [3], policy: { ...APART.policy, logProb: [1] } };
    const found = await slopesOf(engine, surrogate, rows);
    expect(found.byLogProb).toEqual([0]);
    expect(found.byOutput).toEqual(closeTo([2, 4]));
  });

  it('should ask for the pretrained model only when the KL weighs something', () => {
    expect(rewardOnly.references).toEqual([]);
    const settings = { rewardWeight: 10, klWeight: 0.01, kl: 'exact', clipRange: CLIP_RANGE } as const;
    expect(dpok.create(settings).references).toEqual(['pretrained']);
  });
});
