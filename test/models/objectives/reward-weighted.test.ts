import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import {
  bestTenthWeights,
  exponentialWeights,
  rewardWeighted,
} from '../../../src/models/objectives/reward-weighted.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { closeTo, slopesOf } from './surrogate-slopes.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

describe('rewardWeighted', () => {
  it('should be the weight times the denoising loss', async () => {
    const settings = { weighting: 'exponential', inverseTemperature: 0.2, timestepsPerSample: 1 } as const;
    const found = await slopesOf(engine, rewardWeighted.create(settings), {
      advantage: [0.5, 1.5],
      policy: {
        modelOutput: [
          [3, 1],
          [3, 1],
        ],
      },
      target: [
        [2, 4],
        [2, 4],
      ],
    });
    // mean square of (1, -3) is 5
    expect(found.loss).toEqual(closeTo([2.5, 7.5]));
    expect(found.byOutput).toEqual(closeTo([0.5, -1.5, 1.5, -4.5]));
  });

  it('should weigh the samples of an update as it is told', () => {
    const settings = { inverseTemperature: Math.log(3), timestepsPerSample: 1 };
    const weights = (weighting: 'exponential' | 'threshold') => {
      const surrogate = rewardWeighted.create({ ...settings, weighting });
      return surrogate.trainsOn === 'denoising' ? surrogate.transformAdvantages?.([1, 0]) : undefined;
    };
    expect(weights('exponential')).toEqual(closeTo([1.5, 0.5]));
    expect(weights('threshold')).toEqual([1, 0]);
  });
});

describe('exponentialWeights', () => {
  it('should be exp(b A) over their mean', () => {
    expect(exponentialWeights([0, 1, 2], Math.LN2)).toEqual(closeTo([3 / 7, 6 / 7, 12 / 7]));
  });

  it('should not change when the same is added to all, however much', () => {
    expect(exponentialWeights([5000, 5001, 5002], Math.LN2)).toEqual(closeTo([3 / 7, 6 / 7, 12 / 7]));
    expect(exponentialWeights([-5000, -4999, -4998], Math.LN2)).toEqual(closeTo([3 / 7, 6 / 7, 12 / 7]));
  });

  it('should be 1 for a sample alone', () => {
    expect(exponentialWeights([-7], 0.2)).toEqual([1]);
  });
});

describe('bestTenthWeights', () => {
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

  it.each([
    [1, 1],
    [10, 1],
    [11, 2],
    [20, 2],
    [21, 3],
  ])('should keep the best tenth of %d samples, rounded up: %d', (count, kept) => {
    expect(bestTenthWeights(upTo(count))).toEqual(
      upTo(count).map((index) => (index >= count - kept ? 1 : 0)),
    );
  });

  it('should keep what equals the last of them', () => {
    expect(bestTenthWeights([3, 1, 3, 2, 0])).toEqual([1, 0, 1, 0, 0]);
  });

  it('should order numbers as numbers', () => {
    expect(bestTenthWeights([9, 10, -10, 0])).toEqual([0, 1, 0, 0]);
  });
});
