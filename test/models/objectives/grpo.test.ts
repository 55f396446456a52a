import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { ddpoIs } from '../../../src/models/objectives/ddpo-is.js';
import { grpo } from '../../../src/models/objectives/grpo.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const PPO = { clipRange: 0.125, advClipMax: 5 };

describe('grpo', () => {
  it('should be DDPO-IS without its KL', async () => {
    const ratios = [1, 1.25, 0.75, 1.25, 0.75];
    const rows = { advantage: [2, 2, 2, -3, -3], policy: { logProb: ratios.map(Math.log) } };
    const surrogate = grpo.create({ ...PPO, klWeight: 0 });
    expect(surrogate.references).toEqual([]);
    expect(await slopesOf(engine, surrogate, rows)).toEqual(await slopesOf(engine, ddpoIs.create(PPO), rows));
  });

  it('should add klWeight |μ - μ_pre|² / (2σ²) by dimension, σ being that of the whole step', async () => {
    const found = await slopesOf(engine, grpo.create({ ...PPO, klWeight: 0.5 }), {
      advantage: [2, 0],
      policy: {
        mean: [
          [1, 2],
          [1, 2],
        ],
      },
      pretrained: {
        mean: [
          [0, 0],
          [0, 0],
        ],
      },
      stdDevT: [0.5, 0.25],
    });
    // ½ · 2.5 / (2 · 0.25) less 2, and ½ · 2.5 / (2 · 0.0625)
    expect(found.loss).toEqual(closeTo([0.5, 10]));
    // ½ (μ - μ_pre) / (2 σ²)
    expect(found.byMean).toEqual(closeTo([1, 2, 4, 8]));
    expect(found.byLogProb).toEqual(closeTo([-2, 0]));
  });

  it('should add klWeight |out - out_pre|² by dimension as velocity KL, whatever the noise of the step', async () => {
    const outputs = { policy: [[1, 2]], pretrained: [[0, 4]] } as const;
    const found = await slopesOf(engine, grpo.create({ ...PPO, klWeight: 0.5, kl: 'velocity' }), {
      advantage: [0],
      policy: { modelOutput: outputs.policy },
      pretrained: { modelOutput: outputs.pretrained },
      stdDevT: [0.25],
    });
    // ½ · (1 + 4) / 2
    expect(found.loss).toEqual(closeTo([1.25]));
  });
});
