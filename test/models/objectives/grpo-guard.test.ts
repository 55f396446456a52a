import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { grpoGuard } from '../../../src/models/objectives/grpo-guard.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const surrogate = grpoGuard.create({ clipRange: 2e-6, advClipMax: 5 });

describe('grpoGuard', () => {
  it('should weigh every step alike before the first update, whatever its σ and k', async () => {
    const found = await slopesOf(engine, surrogate, {
      advantage: [2, -3],
      policy: {},
      old: {},
      stdDevT: [0.5, 0.1],
      outputCoefficient: [-0.25, 0.02],
    });
    // -A / |k|
    expect(found.loss).toEqual(closeTo([-8, 150]));
    // -A σ / |k|: as dlog π/dout = n k / (σ D), the gradient in the output is -A n sign(k) / D for both
    expect(found.byLogProb).toEqual(closeTo([-4, 15]));
    expect(found.byMean).toEqual(closeTo([0, 0, 0, 0]));
  });

  it('should take out of the ratio what the log-ratio falls by on average', async () => {
    // A sample at the old mean (n = 0): log π falls by exactly the KL, 0.2² / (2 · 0.4²) = 0.125.
    const found = await slopesOf(engine, surrogate, {
      advantage: [2],
      policy: { logProb: [0.875], mean: [[0.2, -0.2]] },
      old: { logProb: [1], mean: [[0, 0]] },
      stdDevT: [0.4],
    });
    expect(found.loss).toEqual(closeTo([-2]));
  });

  it('should have the mean of noise times shift as its log-ratio', async () => {
    // n = (1, 3), μ - μ_old = (0.2, 0.1), σ = 0.5: log π - log π_old = 0.25 / 0.5 - 0.025 / 0.5 = 0.45, ln ρ̃ = 0.25
    const found = await slopesOf(engine, surrogate, {
      advantage: [-2],
      policy: { logProb: [0.45], mean: [[0.2, 0.1]] },
      old: {},
      stdDevT: [0.5],
    });
    expect(found.loss).toEqual(closeTo([2 * Math.exp(0.25)]));
    expect(found.byLogProb).toEqual(closeTo([Math.exp(0.25)]));
    // -A ρ̃ σ (μ - μ_old) / (D σ²)
    expect(found.byMean).toEqual(closeTo([0.4 * Math.exp(0.25), 0.2 * Math.exp(0.25)]));
  });

  it('should clip the corrected ratio as PPO does', async () => {
    const found = await slopesOf(engine, surrogate, {
      advantage: [2, -3, 2, -3],
      policy: { logProb: [1e-3, 1e-3, -1e-3, -1e-3] },
      old: {},
      oldLogProb: [9, 9, 9, 9],
    });
    const [up, down] = [Math.exp(1e-3), Math.exp(-1e-3)];
    expect(found.byLogProb).toEqual(closeTo([0, 3 * up, -2 * down, 0]));
  });
});
