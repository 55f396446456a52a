import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { groupZScoreRule } from '../../../../src/operators/advantages/rules/group-z-score-rule.js';
import { rewarded } from '../../groups.js';

const outcomeOf = (
  round: readonly (readonly number[])[],
  options: Parameters<typeof groupZScoreRule>[0] = { std: 'group' },
) =>
  groupZScoreRule(options)(
    createHistory(),
    round.map((values, index) => rewarded(0, index, values)),
  );
const advantagesOf = (...given: Parameters<typeof outcomeOf>) =>
  outcomeOf(...given).samples.map(({ advantage }) => advantage);

const group = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 4 });
const round = fc.array(group, { minLength: 1, maxLength: 5 });
const std = fc.constantFrom('group' as const, 'global' as const);

describe('groupZScoreRule', () => {
  // 0, 6, 6, 8: mean 5, population std 3. 1, 3: mean 2, std 1.
  const two = [
    [0, 6, 6, 8],
    [1, 3],
  ];

  it('should divide by the population std of the group, and keep every branch', () => {
    const { samples, statistics } = outcomeOf(two);
    const expected = [-5 / 3.0001, 1 / 3.0001, 1 / 3.0001, 3 / 3.0001, -1 / 1.0001, 1 / 1.0001];
    expect(samples).toHaveLength(6);
    samples.forEach(({ advantage, stepAdvantages }, index) => {
      expect(advantage).toBeCloseTo(expected[index] ?? Number.NaN, 12);
      expect(stepAdvantages).toBeNull();
    });
    expect(samples.map(({ branch }) => branch)).toEqual([0, 1, 2, 3, 0, 1]);
    expect(samples[3]).toMatchObject({ groupId: '0-0', reward: 8, trajectory: '0-0/3' });
    expect(statistics).toMatchObject({ zeroSpreadGroups: 0, selectedBest: 4, selectedWorst: 2 });
  });

  it('should divide by the std of the whole round when it is global, and keep the mean of the group', () => {
    // all six: mean 4, squares 16 + 4 + 4 + 16 + 9 + 1 = 50, population std √(50 / 6) = 2.886751
    const expected = [-5, 1, 1, 3, -1, 1].map((centered) => centered / (Math.sqrt(50 / 6) + 1e-4));
    advantagesOf(two, { std: 'global' }).forEach((advantage, index) => {
      expect(advantage).toBeCloseTo(expected[index] ?? Number.NaN, 12);
    });
  });

  it('should measure the correlation on the rewards, where the groups still differ', () => {
    const { statistics } = outcomeOf([
      [6, 7],
      [0, 1],
    ]);
    // MSB = 36, MSW = 0.5
    expect(statistics.intraGroupCorrelation).toBeCloseTo(35.5 / 36.5, 9);
  });

  it('should count and skip groups without spread, whose rewards still count for the std of the round', () => {
    const { samples, statistics } = outcomeOf(
      [
        [4, 4],
        [0, 2],
      ],
      { std: 'global' },
    );
    expect(samples.map(({ groupId }) => groupId)).toEqual(['0-1', '0-1']);
    expect(statistics.zeroSpreadGroups).toBe(1);
    // 4, 4, 0, 2: mean 2.5, squares 2.25 + 2.25 + 6.25 + 0.25 = 11, std √2.75
    expect(samples[1]?.advantage).toBeCloseTo(1 / (Math.sqrt(2.75) + 1e-4), 12);
  });

  it('should make nothing of a branch on its own', () => {
    expect(outcomeOf([[3]])).toMatchObject({ samples: [], statistics: { zeroSpreadGroups: 0 } });
  });

  it('should hold small differences down with a floor on the spread', () => {
    const [worst, best] = advantagesOf([[0, 0.2]], { std: 'group', stdFloor: 1 });
    expect(worst).toBeCloseTo(-0.1 / 1.0001, 12);
    expect(best).toBeCloseTo(0.1 / 1.0001, 12);
  });

  it('should keep no history', () => {
    const past = { rounds: [[{ prompt: 'a red circle', rewards: [100] }]] };
    const { state, samples } = groupZScoreRule({ std: 'group' })(past, [rewarded(1, 0, [1, 3])]);
    expect(state).toEqual(past);
    expect(samples[1]?.advantage).toBeCloseTo(1 / 1.0001, 12);
  });

  it('should give advantages that sum to 0 in each group', () => {
    fc.assert(
      fc.property(round, std, (rewards, whose) => {
        const sums = new Map<string, number>();
        for (const { groupId, advantage } of outcomeOf(rewards, { std: whose }).samples) {
          sums.set(groupId, (sums.get(groupId) ?? 0) + advantage);
        }
        for (const sum of sums.values()) expect(sum).toBeCloseTo(0, 9);
      }),
    );
  });

  it('should not change with the zero and the unit of the reward', () => {
    fc.assert(
      fc.property(
        round,
        std,
        fc.integer({ min: -9, max: 9 }),
        fc.integer({ min: 2, max: 99 }),
        (rewards, whose, shift, unit) => {
          const plain = advantagesOf(rewards, { std: whose });
          const moved = advantagesOf(
            rewards.map((values) => values.map((value) => shift + unit * value)),
            { std: whose },
          );
          // The 1e-4 is in units of reward, so the last digits do change.
          expect(moved).toHaveLength(plain.length);
          moved.forEach((advantage, index) => {
            expect(advantage).toBeCloseTo(plain[index] ?? Number.NaN, 2);
          });
        },
      ),
    );
  });

  it('should give each branch the same advantage in any order of groups and branches', () => {
    fc.assert(
      fc.property(round, std, (rewards, whose) => {
        const turned = rewards.map((values) => [...values].reverse()).reverse();
        const back = advantagesOf(turned, { std: whose }).reverse();
        advantagesOf(rewards, { std: whose }).forEach((advantage, index) => {
          expect(back[index]).toBeCloseTo(advantage, 9);
        });
      }),
    );
  });

  it.each([-1, Number.NaN])('should refuse a stdFloor of %s', (stdFloor) => {
    expect(() => groupZScoreRule({ std: 'group', stdFloor })).toThrow(/`stdFloor`: expected a finite number/);
  });
});
