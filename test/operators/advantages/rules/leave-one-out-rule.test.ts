import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import {
  type LeaveOneOutRuleOptions,
  leaveOneOutRule,
} from '../../../../src/operators/advantages/rules/leave-one-out-rule.js';
import { rewarded } from '../../groups.js';

const outcomeOf = (
  round: readonly (readonly number[])[],
  scale: LeaveOneOutRuleOptions['scale'] = 'none',
  stdFloor = 0,
) =>
  leaveOneOutRule({ scale, stdFloor })(
    createHistory(),
    round.map((values, index) => rewarded(0, index, values)),
  );
const advantagesOf = (...given: Parameters<typeof outcomeOf>) =>
  outcomeOf(...given).samples.map(({ advantage }) => advantage);

const reward = fc.integer({ min: -9, max: 9 });
const group = fc.array(reward, { minLength: 2, maxLength: 5 });

describe('leaveOneOutRule', () => {
  it('should compare each branch with the mean of the others', () => {
    const { samples, statistics } = outcomeOf([[1, 4, 10]]);
    // means of the others: 7, 5.5, 2.5
    expect(samples.map(({ advantage }) => advantage)).toEqual([-6, -1.5, 7.5]);
    expect(samples.map(({ stepAdvantages }) => stepAdvantages)).toEqual([null, null, null]);
    expect(statistics).toMatchObject({ zeroSpreadGroups: 0, selectedBest: 1, selectedWorst: 2 });
  });

  it('should divide by the std of the whole round when asked to', () => {
    // 0, 2, 4, 6: mean 3, population std √5; leave-one-out: -2, 2 in each group
    const [worst, best] = advantagesOf(
      [
        [0, 2],
        [4, 6],
      ],
      'global-std',
    );
    expect(worst).toBeCloseTo(-2 / (Math.sqrt(5) + 1e-4), 12);
    expect(best).toBeCloseTo(2 / (Math.sqrt(5) + 1e-4), 12);
  });

  it('should not divide by less than the floor, and by nothing when unscaled', () => {
    const round = [[0, 0.02]];
    expect(advantagesOf(round, 'global-std', 0.5)[1]).toBeCloseTo(0.02 / (0.5 + 1e-4), 12);
    expect(advantagesOf(round, 'global-std', 0.001)[1]).toBeCloseTo(0.02 / (0.01 + 1e-4), 12);
    expect(advantagesOf(round, 'none', 0.5)[1]).toBeCloseTo(0.02, 12);
    expect(() => leaveOneOutRule({ scale: 'none', stdFloor: -1 })).toThrow('stdFloor');
  });

  it('should count and skip groups without spread, and skip a branch on its own', () => {
    const { samples, statistics } = outcomeOf([[2, 2, 2], [7], [0, 1]]);
    expect(samples.map(({ groupId, advantage }) => [groupId, advantage])).toEqual([
      ['0-2', -1],
      ['0-2', 1],
    ]);
    expect(statistics.zeroSpreadGroups).toBe(1);
  });

  it('should leave each branch out of its own baseline', () => {
    fc.assert(
      fc.property(group, (rewards) => {
        const advantages = advantagesOf([rewards]);
        advantages.forEach((advantage, branch) => {
          const others = rewards.filter((_, other) => other !== branch);
          const baseline = others.reduce((sum, value) => sum + value, 0) / others.length;
          expect(advantage).toBeCloseTo((rewards[branch] ?? Number.NaN) - baseline, 9);
        });
        expect(advantages.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 9);
      }),
    );
  });

  it('should grow with the unit of the reward unless it is scaled', () => {
    fc.assert(
      fc.property(group, reward, fc.integer({ min: 2, max: 9 }), (rewards, shift, unit) => {
        const moved = [rewards.map((value) => shift + unit * value)];
        const [plain, scaled] = [advantagesOf([rewards]), advantagesOf([rewards], 'global-std')];
        advantagesOf(moved).forEach((advantage, branch) => {
          expect(advantage).toBeCloseTo(unit * (plain[branch] ?? Number.NaN), 9);
        });
        advantagesOf(moved, 'global-std').forEach((advantage, branch) => {
          expect(advantage).toBeCloseTo(scaled[branch] ?? Number.NaN, 2);
        });
      }),
    );
  });
});
