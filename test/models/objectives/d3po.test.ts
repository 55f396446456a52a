import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { d3po } from '../../../src/models/objectives/d3po.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const surrogate = d3po.create({ preferenceBeta: 0.5, clipRange: 0.5 });

describe('d3po', () => {
  it('should be ln 2 where the policy is the pretrained model, with slopes -β/2 and β/2', async () => {
    const same = { logProb: [1, -2, 0.5, 3] };
    const found = await slopesOf(engine, surrogate, {
      advantage: [0, 0, 0, 0],
      policy: same,
      pretrained: same,
    });
    expect(found.loss).toEqual(closeTo([Math.LN2, Math.LN2]));
    expect(found.byLogProb).toEqual(closeTo([-0.25, -0.25, 0.25, 0.25]));
  });

  it('should pair row m with row M/2 + m', async () => {
    // ln ρ: 0.2 and -0.4 are preferred to -0.2 and 0.4
    const found = await slopesOf(engine, surrogate, {
      advantage: [0, 0, 0, 0],
      policy: { logProb: [1.2, 0.6, 0.8, 1.4] },
      pretrained: { logProb: [1, 1, 1, 1] },
    });
    // softplus(-0.5 · 0.4), softplus(0.5 · 0.8)
    expect(found.loss).toEqual(closeTo([Math.log1p(Math.exp(-0.2)), Math.log1p(Math.exp(0.4))]));
    // -0.5 σ(-0.2), -0.5 σ(0.4), and their opposites
    const [likelier, unlikelier] = [0.5 / (1 + Math.exp(0.2)), 0.5 / (1 + Math.exp(-0.4))];
    expect(found.byLogProb).toEqual(closeTo([-likelier, -unlikelier, likelier, unlikelier]));
  });

  it('should clamp ratios to the pretrained model to 1 ± clipRange, without a gradient outside', async () => {
    // ρ of the pairs: (2, 1), clamped above; (1, 0.25), clamped below
    const found = await slopesOf(engine, surrogate, {
      advantage: [0, 0, 0, 0],
      policy: { logProb: [Math.log(2), 0, 0, Math.log(0.25)] },
      pretrained: {},
    });
    // -ln σ(½ ln 1.5) = ln(1 + 1.5^-½), -ln σ(-½ ln ½) = ln(1 + ½^½)
    expect(found.loss).toEqual(closeTo([Math.log(1 + 1.5 ** -0.5), Math.log(1 + 0.5 ** 0.5)]));
    expect(found.byLogProb[0]).toBe(0);
    expect(found.byLogProb[3]).toBe(0);
    expect(found.byLogProb[1]).toBeLessThan(0);
    expect(found.byLogProb[2]).toBeGreaterThan(0);
  });

  it('should not overflow where the preference is lost by far', async () => {
    const steep = d3po.create({ preferenceBeta: 1000, clipRange: 0.5 });
    const found = await slopesOf(engine, steep, {
      advantage: [0, 0],
      policy: { logProb: [-0.5, 0.25] },
      pretrained: {},
    });
    expect(found.loss).toEqual(closeTo([750]));
    expect(found.byLogProb).toEqual(closeTo([-1000, 1000]));
  });
});
