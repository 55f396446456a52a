import { describe, expect, it } from 'vitest';
import { nextTrial, type Preference, resultOf, wilsonInterval } from '../../src/studio/state/blind.js';

const answers = (preferences: readonly Preference[]) =>
  preferences.map((preference, column) => ({ row: 0, column, isSwapped: false, preference }));

describe('wilsonInterval', () => {
  it('should be the interval of the literature', () => {
    // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29, to four decimals.
    const cases = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const;
    for (const [wins, trials, low, high] of cases) {
      const interval = wilsonInterval(wins, trials);
      expect(interval[0]).toBeCloseTo(low, 4);
      expect(interval[1]).toBeCloseTo(high, 4);
    }
  });
});

describe('resultOf', () => {
  it('should leave pairs without a difference out of the rate', () => {
    expect(resultOf(answers(['second', 'same', 'first', 'second', 'second']))).toMatchObject({
      first: 1,
      second: 3,
      same: 1,
      winRate: 0.75,
      interval: wilsonInterval(3, 4),
    });
    expect(resultOf(answers(['same']))).toMatchObject({ winRate: null, interval: null });
  });
});

describe('nextTrial', () => {
  it('should show each pair once, on either side', () => {
    const numbers = [0.9, 0.2, 0.1, 0.8, 0.5, 0.5, 0, 0];
    const random = () => numbers.shift() ?? 0;
    const shown: { row: number; column: number; isSwapped: boolean }[] = [];
    for (let trial = nextTrial([1, 3], 2, shown, random); trial; trial = nextTrial([1, 3], 2, shown, random))
      shown.push(trial);
    expect(shown.map(({ row, column, isSwapped }) => [row, column, isSwapped])).toEqual([
      [3, 1, true],
      [1, 0, false],
      [3, 0, false],
      [1, 1, true],
    ]);
  });
});
