import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { klRegularizedSft } from '../../../src/models/objectives/kl-regularized-sft.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const create = (form: 'kl-d' | 'kl-o', gamma: number) =>
  klRegularizedSft.create({ form, gamma, timestepsPerSample: 1 });

describe('klRegularizedSft', () => {
  it('should add gamma to the weight, and never let it fall below 0: kl-d', async () => {
    const off = [3, 1] as const;
    const target = [2, 4] as const;
    const found = await slopesOf(engine, create('kl-d', 2), {
      advantage: [1, -1, -2, -3],
      policy: { modelOutput: [off, off, off, off] },
      target: [target, target, target, target],
    });
    // the mean square of (1, -3), which is 5, times 3, 1, 0 and 0
    expect(found.loss).toEqual(closeTo([15, 5, 0, 0]));
    expect(found.byOutput).toEqual(closeTo([3, -9, 1, -3, 0, 0, 0, 0]));
    expect(found.byPrediction).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('should draw to the picture by the reward and to the pretrained prediction by gamma: kl-o', async () => {
    const rows = {
      policy: { cleanPrediction: [[1, 3]] },
      pretrained: { cleanPrediction: [[2, 1]] },
    } as const;
    const good = await slopesOf(engine, create('kl-o', 2), { ...rows, advantage: [3] });
    // 3 · 5 + 2 · 2.5, and 3 (1, 3) + 2 (-1, 2)
    expect([good.loss, good.byPrediction]).toEqual([closeTo([20]), closeTo([1, 13])]);
    const bad = await slopesOf(engine, create('kl-o', 2), { ...rows, advantage: [-3] });
    expect([bad.loss, bad.byPrediction]).toEqual([closeTo([-10]), closeTo([-5, -5])]);
    expect(good.byOutput).toEqual([0, 0]);
  });

  it('should ask for the pretrained model only where it is held to it', () => {
    expect(create('kl-d', 2).references).toEqual([]);
    expect(create('kl-o', 2).references).toEqual(['pretrained']);
    expect(create('kl-o', 0).references).toEqual([]);
  });
});
