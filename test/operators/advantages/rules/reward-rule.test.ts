import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { rewardRule } from '../../../../src/operators/advantages/rules/reward-rule.js';
import { rewarded } from '../../groups.js';

describe('rewardRule', () => {
  it('should standardize the reward by the constants, and keep every branch of every group', () => {
    const rule = rewardRule({ center: 2, scale: 4 });
    const { samples, statistics } = rule(createHistory(), [
      rewarded(0, 0, [0, 10]),
      rewarded(0, 1, [4, 4]),
      rewarded(0, 2, [2]),
    ]);
    expect(samples.map(({ groupId, branch, advantage }) => [groupId, branch, advantage])).toEqual([
      ['0-0', 0, -0.5],
      ['0-0', 1, 2],
      ['0-1', 0, 0.5],
      ['0-1', 1, 0.5],
      ['0-2', 0, 0],
    ]);
    expect(statistics).toMatchObject({ zeroSpreadGroups: 1, selectedBest: 3, selectedWorst: 1 });
  });

  it('should give a branch the same advantage in any company', () => {
    const rewards = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 5 });
    const rule = rewardRule({ center: 0, scale: 1 });
    fc.assert(
      fc.property(rewards, (values) => {
        const { samples } = rule(createHistory(), [rewarded(0, 0, values)]);
        expect(samples.map(({ advantage }) => advantage)).toEqual(values);
      }),
    );
  });

  it.each([0, -1, Number.POSITIVE_INFINITY, Number.NaN])('should refuse a scale of %s', (scale) => {
    expect(() => rewardRule({ center: 0, scale })).toThrow(/`scale`: expected a finite number above 0, got/);
  });

  it('should refuse a center that is not finite', () => {
    expect(() => rewardRule({ center: Number.NaN, scale: 1 })).toThrow(
      /`center`: expected a finite number, got NaN/,
    );
  });
});
