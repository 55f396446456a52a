import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import type { RuleOutcome } from '../../../../src/operators/advantages/advantage-rule.js';
import { perPromptRule } from '../../../../src/operators/advantages/rules/per-prompt-rule.js';
import { rewarded } from '../../groups.js';

const rounded = (value: number) => Number(value.toFixed(4));
const advantages = ({ samples }: RuleOutcome<string>) => samples.map(({ advantage }) => rounded(advantage));

describe('perPromptRule', () => {
  const rule = perPromptRule({ bufferSize: 4, minCount: 3 });
  const first = rule(createHistory(), [
    rewarded(0, 0, [1], 'p'),
    rewarded(0, 1, [5], 'q'),
    rewarded(0, 2, [3], 'p'),
    rewarded(0, 3, [7], 'q'),
    rewarded(0, 4, [9], 'q'),
  ]);

  it('should use the whole round below minCount and the queue of the prompt from there on', () => {
    // round: mean 5, std √8 (p holds 2 samples); q holds 5, 7, 9: mean 7, std √(8 / 3)
    const [round, own] = [Math.sqrt(8), Math.sqrt(8 / 3)];
    expect(advantages(first)).toEqual([-4 / round, -2 / own, -2 / round, 0, 2 / own].map(rounded));
    expect(first.samples.map(({ groupId }) => groupId)).toEqual(['0-0', '0-1', '0-2', '0-3', '0-4']);
    expect(first.statistics).toEqual({
      zeroSpreadGroups: 0,
      selectedBest: 1,
      selectedWorst: 3,
      intraGroupCorrelation: null,
    });
  });

  it('should keep the last bufferSize samples of a prompt, first in, first out', () => {
    const second = rule(first.state, [
      rewarded(1, 0, [5], 'p'),
      rewarded(1, 1, [7], 'p'),
      rewarded(1, 2, [9], 'p'),
    ]);
    expect(second.state.rounds).toEqual([
      [
        { prompt: 'p', rewards: [3, 5, 7, 9] },
        { prompt: 'q', rewards: [5, 7, 9] },
      ],
    ]);
    // mean 6, std √5
    expect(advantages(second)).toEqual([-0.4472, 0.4472, 1.3416]);
  });

  it('should count the current round toward minCount', () => {
    const { state } = perPromptRule({ bufferSize: 8, minCount: 4 })(createHistory(), [
      rewarded(0, 0, [0, 2], 'p'),
    ]);
    const groups = [rewarded(1, 0, [4, 6], 'p'), rewarded(1, 1, [50, 70], 'q')];
    const outcome = perPromptRule({ bufferSize: 8, minCount: 4 })(state, groups);
    // p: 0, 2, 4, 6: mean 3, std √5; q: the round, 4, 6, 50, 70: mean 32.5, std 28.4034
    expect(advantages(outcome)).toEqual([0.4472, 1.3416, 0.6161, 1.3203]);
  });

  it('should give advantage 0 to a round without spread', () => {
    expect(advantages(rule(createHistory(), [rewarded(0, 0, [2, 2, 2])]))).toEqual([0, 0, 0]);
  });

  it('should hold small differences down with a floor on the spread', () => {
    const floored = perPromptRule({ bufferSize: 4, minCount: 1, stdFloor: 1 });
    expect(advantages(floored(createHistory(), [rewarded(0, 0, [0, 0.2])]))).toEqual([-0.1, 0.1]);
  });

  it('should refuse a queue that can never reach minCount', () => {
    expect(() => perPromptRule({ bufferSize: 8, minCount: 16 })).toThrow(
      /`bufferSize`: .* at least 16, got 8/,
    );
    expect(() => perPromptRule({ bufferSize: 8, minCount: 0 })).toThrow(/`minCount`/);
    expect(() => perPromptRule({ bufferSize: 8, minCount: 8, stdFloor: Number.NaN })).toThrow(/`stdFloor`/);
  });
});
