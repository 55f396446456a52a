import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { ddpoIs } from '../../../src/models/objectives/ddpo-is.js';
import { ddpoSf } from '../../../src/models/objectives/ddpo-sf.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const surrogate = ddpoSf.create({ advClipMax: 5 });

describe('ddpoSf', () => {
  it('should be -A log π, with slope -A', async () => {
    const found = await slopesOf(engine, surrogate, {
      advantage: [2, -3, 0],
      policy: { logProb: [0.5, 1.5, 4] },
    });
    expect(found.loss).toEqual(closeTo([-1, 4.5, 0]));
    expect(found.byLogProb).toEqual(closeTo([-2, 3, 0]));
  });

  it('should clip the advantage on either side', async () => {
    const { byLogProb } = await slopesOf(engine, surrogate, { advantage: [8, -8], policy: {} });
    expect(byLogProb).toEqual(closeTo([-5, 5]));
  });

  it('should have the gradient of DDPO-IS on-policy', async () => {
    const rows = { advantage: [2, -3, 8], policy: { logProb: [1, 2, 3] }, oldLogProb: [1, 2, 3] };
    const clipped = ddpoIs.create({ clipRange: 1e-4, advClipMax: 5 });
    const [sf, is] = [await slopesOf(engine, surrogate, rows), await slopesOf(engine, clipped, rows)];
    expect(sf.byLogProb).toEqual(closeTo(is.byLogProb));
  });

  it('should not care how far the policy has moved', async () => {
    const rows = { advantage: [2, 2, 2], policy: { logProb: [1, 1, 1] }, oldLogProb: [0, 1, 2] };
    expect((await slopesOf(engine, surrogate, rows)).byLogProb).toEqual(closeTo([-2, -2, -2]));
  });
});
