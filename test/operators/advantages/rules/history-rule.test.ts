import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { historyRule } from '../../../../src/operators/advantages/rules/history-rule.js';
import type { SelectedSample } from '../../../../src/operators/records/records.js';
import { rewarded } from '../../groups.js';

const kept = (samples: readonly SelectedSample<string>[]) =>
  samples.map(({ groupId, branch, advantage }) => [groupId, branch, Number(advantage.toFixed(6))]);

describe('historyRule', () => {
  // Rewards 0, 0, 1, 1, 2 of one prompt: mean 0.8, unbiased std √0.7 = 0.836660; z = -0.956183, 0.239046, 1.434274.
  const five = [0, 2, 1, 0, 1];
  const low = (-0.8 / (Math.sqrt(0.7) + 1e-8)).toFixed(6);

  it('should keep best and worst of a group by the z-score of the prompt, of equal ones the first', () => {
    const rule = historyRule({ bestThreshold: 0.5, worstThreshold: -0.5 });
    const { samples, statistics } = rule(createHistory(), [rewarded(0, 0, five)]);
    expect(kept(samples)).toEqual([
      ['0-0', 1, 1.434274],
      ['0-0', 0, Number(low)],
    ]);
    expect(statistics).toEqual({
      zeroSpreadGroups: 0,
      selectedBest: 1,
      selectedWorst: 1,
      intraGroupCorrelation: null,
    });
    expect(samples[0]).toMatchObject({ prompt: 'a red circle', reward: 2, trajectory: '0-0/1' });
  });

  it.each([
    ['both', 0.5, -0.5, 1, 1],
    ['only the best', 0.5, -2, 1, 0],
    ['only the worst', 2, -0.5, 0, 1],
    ['none', 2, -2, 0, 0],
  ])('should keep %s of a group', (_, bestThreshold, worstThreshold, selectedBest, selectedWorst) => {
    const rule = historyRule({ bestThreshold, worstThreshold });
    const { samples, statistics } = rule(createHistory(), [rewarded(0, 0, five)]);
    expect(statistics).toMatchObject({ selectedBest, selectedWorst });
    expect(samples).toHaveLength(selectedBest + selectedWorst);
  });

  it('should keep the best at its threshold, and not the worst at its own', () => {
    const open = historyRule({ bestThreshold: 0, worstThreshold: 0 });
    const groups = [rewarded(0, 0, five)];
    const [best, worst] = open(createHistory(), groups).samples;
    const atBoth = historyRule({
      bestThreshold: best?.advantage ?? 0,
      worstThreshold: worst?.advantage ?? 0,
    });
    expect(atBoth(createHistory(), groups).statistics).toMatchObject({ selectedBest: 1, selectedWorst: 0 });
  });

  it('should credit the luck of the prefix: two groups of one prompt, both extremes of one above the mean', () => {
    const rule = historyRule({ bestThreshold: 0.5, worstThreshold: -0.5 });
    const { samples } = rule(createHistory(), [rewarded(0, 0, [6, 7]), rewarded(0, 1, [0, 1])]);
    // mean 3.5, unbiased std √(37 / 3) = 3.511885
    expect(kept(samples)).toEqual([
      ['0-0', 1, 0.996616],
      ['0-1', 0, -0.996616],
    ]);
  });

  it('should normalize each prompt by itself', () => {
    const rule = historyRule({ bestThreshold: 0.5, worstThreshold: -0.5 });
    const { samples } = rule(createHistory(), [
      rewarded(0, 0, [0, 1, 2], 'p'),
      rewarded(0, 1, [70, 80, 90], 'q'),
    ]);
    expect(kept(samples).map(([, , advantage]) => advantage)).toEqual([1, -1, 1, -1]);
  });

  it('should look at a window of nine rounds: eight past ones and the current one', () => {
    const rule = historyRule({ bestThreshold: 0, worstThreshold: 0 });
    let history = createHistory();
    for (let round = 0; round < 9; round += 1) {
      history = rule(history, [rewarded(round, 0, [round, round])]).state;
    }
    expect(history.rounds).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((reward) => [{ prompt: 'a red circle', rewards: [reward, reward] }]),
    );
    // pool 1, 1, 2, 2, ..., 9, 9: mean 5, unbiased std √(120 / 17) = 2.656845
    const { samples } = rule(history, [rewarded(9, 0, [9, 9])]);
    expect(kept(samples)).toEqual([['9-0', 0, 1.505545]]);
  });

  it('should give a place in the window to rounds without the prompt, and to empty ones', () => {
    const rule = historyRule({ bestThreshold: 0, worstThreshold: 0, historyRounds: 2 });
    const first = rule(createHistory(), [rewarded(0, 0, [1, 2], 'p')]).state;
    const second = rule(first, [rewarded(1, 0, [3, 4], 'q')]).state;
    const third = rule(second, []).state;
    expect(third.rounds).toEqual([[{ prompt: 'q', rewards: [3, 4] }], []]);
    // p's rewards 1, 2 are out of the window: z is that of 5, 7, 9 alone.
    const { samples } = rule(third, [rewarded(3, 0, [5, 7, 9], 'p')]);
    expect(kept(samples)).toEqual([
      ['3-0', 2, 1],
      ['3-0', 0, -1],
    ]);
  });

  it('should keep nothing of a group without spread, and count it', () => {
    const rule = historyRule({ bestThreshold: 0.5, worstThreshold: -0.5 });
    const { samples, statistics } = rule(createHistory(), [rewarded(0, 0, [0.1, 0.1, 0.1])]);
    expect(samples).toEqual([]);
    expect(statistics.zeroSpreadGroups).toBe(1);
  });

  it('should keep nothing of a single reward, whose spread is undefined', () => {
    const rule = historyRule({ bestThreshold: 0.5, worstThreshold: -0.5 });
    expect(rule(createHistory(), [rewarded(0, 0, [7])]).samples).toEqual([]);
  });

  it('should hold small differences down with a floor on the spread', () => {
    const options = { bestThreshold: 0.5, worstThreshold: -0.5 };
    const groups = [rewarded(0, 0, [0, 1e-6])];
    expect(historyRule(options)(createHistory(), groups).samples).toHaveLength(2);
    expect(historyRule({ ...options, stdFloor: 0.01 })(createHistory(), groups).samples).toEqual([]);
  });

  it('should leave the history that it was given alone', () => {
    const rule = historyRule({ bestThreshold: 0.5, worstThreshold: -0.5 });
    const { state } = rule(createHistory(), [rewarded(0, 0, five)]);
    const before = JSON.stringify(state);
    rule(state, [rewarded(1, 0, five)]);
    expect(JSON.stringify(state)).toBe(before);
  });

  it('should refuse thresholds that cross and windows that are no counts', () => {
    expect(() => historyRule({ bestThreshold: -1, worstThreshold: 1 })).toThrow(
      /`worstThreshold`: expected at most/,
    );
    expect(() => historyRule({ bestThreshold: Number.NaN, worstThreshold: 1 })).toThrow(/`worstThreshold`/);
    const thresholds = { bestThreshold: 1, worstThreshold: -1 };
    expect(() => historyRule({ ...thresholds, historyRounds: -1 })).toThrow(/`historyRounds`/);
    expect(() => historyRule({ ...thresholds, stdFloor: -1 })).toThrow(/`stdFloor`/);
  });
});

/** See tools/reference/selection.py, which states the released rule a second time, in PyTorch. */
const reference: {
  settings: { historyRounds: number; bestThreshold: number; worstThreshold: number };
  rounds: {
    groups: { prompt: string; rewards: number[] }[];
    selected: { group: number; branch: number; advantage: number }[];
  }[];
} = JSON.parse(readFileSync('test/fixtures/selection.json', 'utf8'));

describe('historyRule, against the rule of the released program', () => {
  const rule = historyRule(reference.settings);
  let history = createHistory();
  const outcomes = reference.rounds.map(({ groups }, round) => {
    const outcome = rule(
      history,
      groups.map(({ prompt, rewards }, index) => rewarded(round, index, rewards, prompt)),
    );
    // As a checkpoint keeps it between any two rounds.
    history = JSON.parse(JSON.stringify(outcome.state));
    return outcome.samples;
  });

  it('should see 14 rounds, in which prompts are absent for longer than the window', () => {
    expect(reference.rounds).toHaveLength(14);
    const absent = (prompt: string) =>
      reference.rounds.filter(({ groups }) => groups.every((one) => one.prompt !== prompt)).length;
    expect(absent('a fox riding a bike')).toBe(9);
    expect(absent('a cat washing dishes')).toBe(0);
  });

  it.each(reference.rounds.map(({ selected }, round) => [round, selected] as const))(
    'should select the released samples of round %i, with their advantages',
    (round, selected) => {
      const samples = outcomes[round] ?? [];
      expect(samples.map(({ groupId, branch }) => [groupId, branch])).toEqual(
        selected.map(({ group, branch }) => [`${round}-${group}`, branch]),
      );
      samples.forEach(({ advantage }, index) => {
        expect(Math.abs(advantage - (selected[index]?.advantage ?? Number.NaN))).toBeLessThan(1e-12);
      });
    },
  );
});
