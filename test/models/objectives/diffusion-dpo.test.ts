import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { diffusionDpo } from '../../../src/models/objectives/diffusion-dpo.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const surrogate = diffusionDpo.create({ preferenceBeta: 0.5, timestepsPerSample: 1 });

describe('diffusionDpo', () => {
  it('should be ln 2 where the policy is the pretrained model, toward one target and away from the other', async () => {
    const same = { modelOutput: [[1, 3] as const, [2, 2] as const] };
    const found = await slopesOf(engine, surrogate, { advantage: [0, 0], policy: same, pretrained: same });
    expect(found.loss).toEqual(closeTo([Math.LN2]));
    // ½ · β/2 · 2 (out - target) / D, for the preferred row and the other way for the rejected one
    expect(found.byOutput).toEqual(closeTo([0.125, 0.375, -0.25, -0.25]));
  });

  it('should pair row m with row M/2 + m, and compare errors with those of the pretrained model', async () => {
    const found = await slopesOf(engine, surrogate, {
      advantage: [0, 0, 0, 0],
      target: [
        [1, 1],
        [0, 0],
        [0, 0],
        [2, 0],
      ],
      // Mean squared errors 1, 4, 1, 2 and, of the pretrained model, 0, 9, 4, 2.
      policy: {
        modelOutput: [
          [0, 2],
          [2, 2],
          [1, 1],
          [0, 0],
        ],
      },
      pretrained: {
        modelOutput: [
          [1, 1],
          [3, 3],
          [2, 2],
          [2, 2],
        ],
      },
    });
    // Growths 1 and -5 of the preferred rows, -3 and 0 of the rejected: z = -¼ (1 + 3), -¼ (-5 - 0)
    expect(found.loss).toEqual(closeTo([Math.log1p(Math.exp(1)), Math.log1p(Math.exp(-1.25))]));
  });

  it('should stay finite where one picture has become far likelier', async () => {
    const far = diffusionDpo.create({ preferenceBeta: 1e6, timestepsPerSample: 1 });
    const found = await slopesOf(engine, far, {
      advantage: [0, 0],
      policy: {
        modelOutput: [
          [9, 9],
          [0, 0],
        ],
      },
      pretrained: {},
    });
    expect(found.loss).toEqual([81 * 5e5]);
    expect(found.byOutput.every(Number.isFinite)).toBe(true);
  });
});
