import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { gdpoRule } from '../../../../src/operators/advantages/rules/gdpo-rule.js';
import { rewarded } from '../../groups.js';

type Parts = Readonly<Record<string, readonly number[]>>;

const WEIGHTS: Readonly<Record<string, number>> = { fit: 1, size: 2 };

/** A round of groups by their parts; the rewards themselves do not matter. */
const outcomeOf = (groups: readonly Parts[]) =>
  gdpoRule({})(
    createHistory(),
    groups.map((parts, index) => ({
      ...rewarded(0, index, [0, 0]),
      parts: Object.entries(parts).map(([name, rewards]) => ({ name, weight: WEIGHTS[name] ?? 1, rewards })),
    })),
  );

describe('gdpoRule', () => {
  // Group 0: fit 1, 3 (std 1), size 200, 100 (std 50). Group 1: fit 5, 5, size 0, 2 (std 1).
  const round = [
    { fit: [1, 3], size: [200, 100] },
    { fit: [5, 5], size: [0, 2] },
  ];

  it('should normalize each part within its group, add them by weight, and normalize over the round', () => {
    const [small, large] = [1 / 1.0001, 50 / 50.0001];
    const sums = [-small + 2 * large, small - 2 * large, -2 * small, 2 * small];
    const std = Math.sqrt(sums.reduce((sum, value) => sum + value ** 2, 0) / 4);
    const { samples, statistics } = outcomeOf(round);
    samples.forEach(({ advantage }, index) => {
      expect(advantage).toBeCloseTo((sums[index] ?? Number.NaN) / (std + 1e-4), 12);
    });
    expect(samples.map(({ groupId, branch }) => `${groupId}/${branch}`)).toEqual([
      '0-0/0',
      '0-0/1',
      '0-1/0',
      '0-1/1',
    ]);
    expect(statistics).toMatchObject({ zeroSpreadGroups: 0, selectedBest: 2, selectedWorst: 2 });
  });

  it('should not depend on the scale of a part, however much larger it is than the others', () => {
    const scaled = round.map(({ fit, size }) => ({ fit, size: size.map((value) => value * 1e9) }));
    const [before, after] = [outcomeOf(round), outcomeOf(scaled)];
    after.samples.forEach(({ advantage }, index) => {
      expect(advantage).toBeCloseTo(before.samples[index]?.advantage ?? Number.NaN, 3);
    });
  });

  it('should skip and count groups in which no part differs, and take the parts that a group has', () => {
    const { samples, statistics } = outcomeOf([{ fit: [1, 1], size: [2, 2] }, { fit: [0, 1] }]);
    expect(samples.map(({ groupId }) => groupId)).toEqual(['0-1', '0-1']);
    expect(samples.map(({ advantage }) => Math.sign(advantage))).toEqual([-1, 1]);
    expect(statistics.zeroSpreadGroups).toBe(1);
  });
});
