import { describe, expect, test } from 'vitest';
import { compareRows } from '../../../../src/streams/study/results/compare-rows.js';
import { FINAL_HELD_OUT } from '../../../../src/streams/study/results/figures-of-run.js';
import { firstReached, meanCurve } from '../../../../src/streams/study/results/mean-curve.js';
import { rowHealth } from '../../../../src/streams/study/results/row-health.js';
import { runResult } from '../example-study.js';

const queries = ({ rewardQueries }: { rewardQueries: number }) => rewardQueries;

describe('meanCurve', () => {
  test('should have a point for every evaluation that all runs have', () => {
    const runs = [runResult('plain', 1, [0.2, 0.4, 0.6]), runResult('plain', 2, [0.2, 0.6])];
    expect(meanCurve(runs, queries, ({ heldOut }) => heldOut.verifiedAlignment)).toEqual([
      { x: 0, y: { mean: 0.2, halfWidth: 0, count: 2 } },
      // s / √2 = 0.1; 12.7062 x 0.1.
      { x: 128, y: { mean: 0.5, halfWidth: expect.closeTo(1.27062, 5), count: 2 } },
    ]);
  });

  test('should be empty without runs', () => {
    expect(meanCurve([], queries, queries)).toEqual([]);
  });
});

describe('firstReached', () => {
  const curve = [
    { x: 0, y: 0.2 },
    { x: 100, y: 0.6 },
    { x: 200, y: 0.4 },
    { x: 300, y: 0.8 },
  ];

  test.each([
    ['between two points', 0.5, 75],
    ['at a point', 0.6, 100],
    ['after a fall', 0.7, 275],
    ['at the start', 0.1, 0],
    ['never', 0.9, null],
  ])('should be found %s', (_, target, x) => {
    const reached = firstReached(curve, target);
    if (x === null) expect(reached).toBeNull();
    else expect(reached).toBeCloseTo(x, 9);
  });
});

describe('compareRows', () => {
  const baseline = [
    runResult('plain', 1, [0.2, 0.3, 0.5]),
    runResult('plain', 2, [0.2, 0.5, 0.7]),
    runResult('plain', 3, [0.2, 0.2, 0.2]),
  ];
  const row = [runResult('fast', 2, [0.2, 0.6, 0.8]), runResult('fast', 1, [0.2, 0.4, 0.7])];

  test('should pair by seed, in any order, and leave out what has no partner', () => {
    const compared = compareRows(row, baseline);
    expect(compared.seeds).toEqual([2, 1]);
    // Differences 0.1 and 0.2: mean 0.15, s / √2 = 0.05, 12.7062 x 0.05.
    expect(compared.difference(FINAL_HELD_OUT)).toEqual({
      mean: expect.closeTo(0.15, 9),
      halfWidth: expect.closeTo(0.63531, 5),
      count: 2,
    });
  });

  test('should count the pictures that were trained on until then', () => {
    const [round] = runResult('fast', 1, []).rounds;
    if (!round) throw new Error('the example has a round');
    const rounds = [10, 30].map((selectedSamples, index) => ({ ...round, round: index, selectedSamples }));
    const fast = [runResult('fast', 1, [0.2, 0.4, 0.8], { rounds })];
    // After the first round 10, after the second 40, and half of the way between.
    expect(compareRows(fast, [runResult('plain', 1, [0.2, 0.3, 0.6])]).samplesToReach).toBeCloseTo(25, 9);
  });

  test('should read off when the mean curve reaches what the baseline ends with', () => {
    // Means 0.2, 0.5, 0.75 of the row; the pairs of the baseline end with 0.6: 128 + 128 x 0.1 / 0.25.
    expect(compareRows(row, baseline).queriesToReach).toBeCloseTo(179.2, 9);
    expect(compareRows(baseline.slice(2), [runResult('fast', 3, [0.2, 0.9])]).queriesToReach).toBeNull();
  });

  test('should have nothing to say without a pair', () => {
    const compared = compareRows(row, baseline.slice(2));
    expect([compared.seeds, compared.difference(FINAL_HELD_OUT), compared.queriesToReach]).toEqual([
      [],
      null,
      null,
    ]);
  });
});

describe('rowHealth', () => {
  test('should be means over all rounds, of what was measured', () => {
    const [first] = runResult('plain', 1, [0, 0]).rounds;
    if (!first) throw new Error('the example has no round');
    const second = {
      ...first,
      groups: 12,
      zeroSpreadGroups: 7,
      intraGroupCorrelation: null,
      gradNorm: 4,
      klToPretrained: 0.3,
    };
    const runs = [runResult('plain', 1, [0, 0]), runResult('plain', 2, [0, 0], { rounds: [first, second] })];
    expect(rowHealth(runs)).toEqual({
      intraGroupCorrelation: 0.5,
      selectedSamples: 6,
      // (1 + 1 + 7) / (4 + 4 + 12).
      zeroSpreadShare: 0.45,
      gradNorm: expect.closeTo(8 / 3, 9),
      // Norms 1 and 2 of the last two steps, in every round.
      gradientShares: [0, 0.2, 0.8],
      clipFraction: 0.25,
      klToPretrained: 0.3,
    });
  });
});
