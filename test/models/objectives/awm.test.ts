import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { awm } from '../../../src/models/objectives/awm.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const SETTINGS = { likelihood: 'squared-error', clipRange: 0.125, advClipMax: 5, klWeight: 0 } as const;
const squared = awm.create({ ...SETTINGS, timestepsPerSample: 6 });
const huber = awm.create({ ...SETTINGS, likelihood: 'ghuber', timestepsPerSample: 6 });
/** Errors of 1 and 3 to the target 0: E = 5, dE/dout = (1, 3). */
const OFF = { modelOutput: [[1, 3]] } as const;

describe('awm', () => {
  it.each([2, -3, 8])('should have the gradient -A ∇ℓ before the first update: A = %d', async (advantage) => {
    const clipped = Math.min(advantage, 5);
    const found = await slopesOf(engine, squared, { advantage: [advantage], policy: OFF, old: OFF });
    expect(found.loss).toEqual(closeTo([-clipped]));
    expect(found.byOutput).toEqual(closeTo([clipped, 3 * clipped]));
  });

  it('should take minus the mean squared error for the log-prob: squared-error', async () => {
    // E = 0.02 of the policy and 0.08 of the old one: ρ = e^0.06
    const found = await slopesOf(engine, squared, {
      advantage: [2],
      policy: { modelOutput: [[0, 0.2]] },
      old: { modelOutput: [[0.4, 0]] },
    });
    expect(found.loss).toEqual(closeTo([-2 * Math.exp(0.06)]));
    expect(found.byOutput).toEqual(closeTo([0, 0.4 * Math.exp(0.06)]));
  });

  it('should take the fourth root of it, weighted by the noise: ghuber', async () => {
    const found = await slopesOf(engine, huber, {
      advantage: [2, 2],
      policy: { modelOutput: [OFF.modelOutput[0], [4, 4]] },
      old: { modelOutput: [OFF.modelOutput[0], [4.1, 4.1]] },
      noiseScale: [0.5, 0.25],
    });
    // ρ = 1; then E = 16 and 16.81: ρ = exp(0.25 · 4 (16.81^¼ - 16^¼))
    const ratio = Math.exp(16.81 ** 0.25 - 2);
    expect(found.loss).toEqual(closeTo([-2, -2 * ratio]));
    // dℓ/dE = -t E^-¾: 2 · 0.5 · 5^-¾ (1, 3); then 2 ρ · 0.25 · 16^-¾ (4, 4), and 16^-¾ is 1/8
    const slope = 5 ** -0.75;
    expect(found.byOutput).toEqual(closeTo([slope, 3 * slope, ratio / 4, ratio / 4]));
  });

  it('should stay finite where the output is the target', async () => {
    const found = await slopesOf(engine, huber, { advantage: [2], policy: {}, old: {} });
    expect(found.loss).toEqual(closeTo([-2]));
    expect(found.byOutput).toEqual([0, 0]);
  });

  it('should clip as PPO does', async () => {
    // E = 1 against 2 and 2 against 1: ratios e and 1/e
    const [near, far] = [
      [1, 1],
      [Math.SQRT2, Math.SQRT2],
    ] as [[number, number], [number, number]];
    const found = await slopesOf(engine, squared, {
      advantage: [1, -1, 1, -1],
      policy: { modelOutput: [near, near, far, far] },
      old: { modelOutput: [far, far, near, near] },
    });
    const [up, down] = [Math.E, Math.SQRT2 / Math.E];
    expect(found.byOutput).toEqual(closeTo([0, 0, -up, -up, down, down, 0, 0]));
  });

  it('should hold the output to the pretrained one by klWeight', async () => {
    const held = awm.create({ ...SETTINGS, klWeight: 2, timestepsPerSample: 6 });
    expect([squared.references, held.references]).toEqual([['old'], ['old', 'pretrained']]);
    const found = await slopesOf(engine, held, {
      advantage: [0],
      policy: { modelOutput: [[1, 2]] },
      old: {},
      pretrained: {},
    });
    expect(found.loss).toEqual(closeTo([5]));
    expect(found.byOutput).toEqual(closeTo([2, 4]));
  });
});
