import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { branchCenteredRule } from '../../../../src/operators/advantages/rules/branch-centered-rule.js';
import type { SelectedSample } from '../../../../src/operators/records/records.js';
import { rewarded } from '../../groups.js';

const kept = (samples: readonly SelectedSample<string>[]) =>
  samples.map(({ groupId, branch, advantage }) => [groupId, branch, Number(advantage.toFixed(6))]);

describe('branchCenteredRule', () => {
  it('should credit a branch with its distance from the mean of its group', () => {
    const rule = branchCenteredRule({ minGap: 0, keep: 'extremes' });
    // one prompt, both groups: unbiased std of 6, 7, 0, 1 is √(37 / 3) = 3.511885; half a unit is 0.142374
    const { samples, statistics } = rule(createHistory(), [rewarded(0, 0, [6, 7]), rewarded(0, 1, [0, 1])]);
    expect(kept(samples)).toEqual([
      ['0-0', 1, 0.142374],
      ['0-0', 0, -0.142374],
      ['0-1', 1, 0.142374],
      ['0-1', 0, -0.142374],
    ]);
    expect(statistics).toMatchObject({ zeroSpreadGroups: 0, selectedBest: 2, selectedWorst: 2 });
    // MSB = 36, MSW = 0.5: nearly all is the luck of the prefix
    expect(statistics.intraGroupCorrelation).toBeCloseTo(35.5 / 36.5, 9);
  });

  it('should keep both extremes, of equal ones the first, or all branches', () => {
    const groups = [rewarded(0, 0, [0, 2, 1, 0, 2])];
    const extremes = branchCenteredRule({ minGap: 0, keep: 'extremes' })(createHistory(), groups);
    expect(extremes.samples.map(({ branch }) => branch)).toEqual([1, 0]);
    const all = branchCenteredRule({ minGap: 0, keep: 'all' })(createHistory(), groups);
    expect(kept(all.samples)).toEqual([
      ['0-0', 0, -1],
      ['0-0', 1, 1],
      ['0-0', 2, 0],
      ['0-0', 3, -1],
      ['0-0', 4, 1],
    ]);
    expect(all.statistics).toMatchObject({ selectedBest: 2, selectedWorst: 2 });
  });

  it('should skip and count groups without spread, and skip those whose gap is too small', () => {
    const groups = [rewarded(0, 0, [1, 1]), rewarded(0, 1, [0, 4]), rewarded(0, 2, [2, 2.5])];
    // pool 1, 1, 0, 4, 2, 2.5: unbiased std 1.412445; gaps in z: 0, 2.83, 0.35
    const { samples, statistics } = branchCenteredRule({ minGap: 0.5, keep: 'all' })(createHistory(), groups);
    expect(new Set(samples.map(({ groupId }) => groupId))).toEqual(new Set(['0-1']));
    expect(statistics.zeroSpreadGroups).toBe(1);
    const loose = branchCenteredRule({ minGap: 0, keep: 'all' })(createHistory(), groups);
    expect(new Set(loose.samples.map(({ groupId }) => groupId))).toEqual(new Set(['0-1', '0-2']));
  });

  it('should keep a group whose gap is the threshold', () => {
    const groups = [rewarded(0, 0, [0, 1])];
    const [best, worst] = branchCenteredRule({ minGap: 0, keep: 'extremes' })(
      createHistory(),
      groups,
    ).samples;
    const gap = (best?.advantage ?? 0) - (worst?.advantage ?? 0);
    expect(
      branchCenteredRule({ minGap: gap, keep: 'extremes' })(createHistory(), groups).samples,
    ).toHaveLength(2);
    expect(
      branchCenteredRule({ minGap: gap * 1.001, keep: 'extremes' })(createHistory(), groups).samples,
    ).toEqual([]);
  });

  it('should take only the scale from the past', () => {
    const rule = branchCenteredRule({ minGap: 0, keep: 'extremes' });
    const { state } = rule(createHistory(), [rewarded(0, 0, [100, 104])]);
    const { samples } = rule(state, [rewarded(1, 0, [0, 1])]);
    // pool 100, 104, 0, 1: mean 51.25, unbiased std 58.625222
    expect(kept(samples)).toEqual([
      ['1-0', 1, 0.008529],
      ['1-0', 0, -0.008529],
    ]);
  });

  it('should give advantages that sum to 0 in each group and do not change with the zero of the reward', () => {
    const reward = fc.integer({ min: -9, max: 9 });
    const groups = fc.array(fc.array(reward, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 5 });
    const rule = branchCenteredRule({ minGap: 0, keep: 'all' });
    fc.assert(
      fc.property(groups, reward, (rewards, shift) => {
        const plain = rule(
          createHistory(),
          rewards.map((values, index) => rewarded(0, index, values)),
        );
        const shifted = rule(
          createHistory(),
          rewards.map((values, index) =>
            rewarded(
              0,
              index,
              values.map((value) => value + shift),
            ),
          ),
        );
        expect(shifted.samples.length).toBe(plain.samples.length);
        plain.samples.forEach((sample, index) => {
          expect(shifted.samples[index]?.advantage).toBeCloseTo(sample.advantage, 6);
        });
        for (const { groupId } of plain.samples) {
          const own = plain.samples.filter((sample) => sample.groupId === groupId);
          expect(own.reduce((sum, { advantage }) => sum + advantage, 0)).toBeCloseTo(0, 6);
        }
      }),
    );
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('should refuse a minGap of %s', (minGap) => {
    expect(() => branchCenteredRule({ minGap, keep: 'all' })).toThrow(/`minGap`: expected a finite number/);
  });
});
