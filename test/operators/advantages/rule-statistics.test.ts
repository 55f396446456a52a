import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intraGroupCorrelation } from '../../../src/operators/advantages/rule-statistics.js';

describe('intraGroupCorrelation', () => {
  it('should be 1 when the group decides everything', () => {
    expect(
      intraGroupCorrelation([
        [1, 1],
        [2, 2],
        [5, 5],
      ]),
    ).toBe(1);
  });

  it('should be -1 / (n - 1) when all groups have the same mean', () => {
    expect(
      intraGroupCorrelation([
        [0, 1, 2],
        [0, 1, 2],
      ]),
    ).toBeCloseTo(-0.5, 12);
  });

  it('should agree with a worked example', () => {
    // MSB = 4 * ((2.5 - 4.5)² + (6.5 - 4.5)²) / 1 = 32, MSW = 10 / 6, ICC = (32 - 5/3) / (32 + 5)
    expect(
      intraGroupCorrelation([
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ]),
    ).toBeCloseTo(0.8198198198, 9);
  });

  it.each([
    ['no group', []],
    ['one group', [[1, 2]]],
    ['groups of one', [[1], [2], [3]]],
    [
      'no variance',
      [
        [1, 1],
        [1, 1],
      ],
    ],
  ])('should be undefined with %s', (_, groups) => {
    expect(intraGroupCorrelation(groups)).toBeNull();
  });

  it('should not change with the unit and the zero of the reward', () => {
    const reward = fc.integer({ min: -50, max: 50 });
    const groups = fc.array(fc.array(reward, { minLength: 3, maxLength: 3 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 9 }), reward, (values, scale, shift) => {
        const before = intraGroupCorrelation(values);
        const after = intraGroupCorrelation(
          values.map((branch) => branch.map((value) => value * scale + shift)),
        );
        if (before === null) expect(after).toBeNull();
        else expect(after).toBeCloseTo(before, 9);
      }),
    );
  });
});
