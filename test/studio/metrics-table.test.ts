import { describe, expect, it } from 'vitest';
import type { MetricsLine } from '../../src/client/types.js';
import { MetricsTable, MOST_ROWS, secondsLeft, smoothed } from '../../src/studio/state/table.js';
import { readFixture } from './drawn-pictures.js';

const lines: MetricsLine[] = String(readFixture('metrics.jsonl'))
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const aRound = lines.find((line) => line.kind === 'round');

function tableOf(entries: readonly MetricsLine[]): MetricsTable {
  const table = new MetricsTable();
  for (const entry of entries) table.add(entry);
  return table;
}

/** A line of a round with some figures of its own. */
function roundLine(round: number, figures: object): MetricsLine {
  return { ...aRound, round, policyVersion: round + 1, ...figures } as MetricsLine;
}

describe('MetricsTable', () => {
  it('should have a row for the base model, and one for each round', () => {
    const table = tableOf(lines);
    expect([table.rounds.length, table.rounds[0], table.rounds.at(-1)]).toEqual([67, 0, 66]);
    const alignment = table.column('heldOut:alignment');
    expect([alignment[0], alignment[33], alignment[66], alignment[1]]).toEqual([
      0.3299,
      0.4688,
      0.5208,
      null,
    ]);
    expect([table.base?.round, table.measured?.round, table.newest?.round]).toEqual([0, 66, 65]);
  });

  it('should take what is told twice once, the later for both, in any order', () => {
    const table = tableOf([2, 0, 1, 0].map((round, told) => roundLine(round, { rewardMean: told })));
    expect([table.rounds, table.column('reward')]).toEqual([
      [1, 2, 3],
      [3, 2, 0],
    ]);
  });

  it('should keep parts of the reward apart, and what is not finite out', () => {
    const parts = { clip: { groups: 1, mean: 0.5, std: 0 }, jpeg: { groups: 1, mean: null, std: 0 } };
    const table = tableOf([roundLine(0, { rewardParts: parts, rewardMean: null })]);
    expect([table.column('part:clip'), table.column('part:jpeg'), table.column('reward')]).toEqual([
      [0.5],
      [null],
      [null],
    ]);
  });

  it('should have the win rate of the next policy where two are compared', () => {
    const canary = { stable: 3, canary: 7, ties: 2, interval: [0.2, 0.9], verdict: 'hold' };
    const table = tableOf([
      roundLine(0, {}),
      roundLine(1, { canary: { ...canary, wins: 0, losses: 0, interval: [0, 1] } }),
      roundLine(2, { canary: { ...canary, wins: 3, losses: 1 } }),
    ]);
    expect(['rate', 'lower', 'upper'].map((name) => table.column(`canary:${name}`))).toEqual([
      [null, null, 0.75],
      [null, 0, 0.2],
      [null, 1, 0.9],
    ]);
  });

  it('should stay bounded however long a run goes on, with its beginning and its end', () => {
    const table = new MetricsTable();
    for (let round = 0; round < 5 * MOST_ROWS; round++) table.add(roundLine(round, { rewardMean: round }));
    const columns = [...table.columns.values()];
    expect(table.rounds.length).toBeLessThanOrEqual(MOST_ROWS);
    expect(
      new Set([table.rounds.length, table.trained.length, ...columns.map(({ length }) => length)]).size,
    ).toBe(1);
    expect([table.rounds[0], table.rounds.at(-1), table.column('reward').at(-1)]).toEqual([
      1,
      5 * MOST_ROWS,
      5 * MOST_ROWS - 1,
    ]);
  });

  it('should say how long the rounds to come take, at the pace of the last ones', () => {
    const table = tableOf([0, 1, 2].map((round) => roundLine(round, { elapsedSeconds: 10 + 4 * round })));
    expect(secondsLeft(table, 10)).toBe(28);
    expect(secondsLeft(tableOf([roundLine(0, {})]), 10)).toBeNull();
  });
});

describe('smoothed', () => {
  it('should weigh the past without a bias toward 0, over gaps', () => {
    // (0.5 · 0.5 · 4 + 0.5 · 8) / (0.5 · 0.5 + 0.5)
    expect(smoothed([4, null, 8], 0.5)).toEqual([4, null, 5 / 0.75]);
    expect(smoothed([4, null, 8], 0)).toEqual([4, null, 8]);
  });
});
