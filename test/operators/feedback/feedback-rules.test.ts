import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  choiceOf,
  decideFeedback,
  FEEDBACK_RULES,
  type FeedbackRuleName,
  type Judgment,
  judgmentFault,
} from '../../../src/operators/feedback/feedback-rules.js';

const decide = (rule: FeedbackRuleName, ...judgments: Judgment[]) => decideFeedback(rule, judgments, 3);
const first: Judgment = { best: 0 };
const second: Judgment = { best: 1 };
const none: Judgment = { none: true };
const ranked: Judgment = { ranking: [2, 0, 1] };
const rated: Judgment = { ratings: [0.2, 0.8, 0.8] };

describe('decideFeedback', () => {
  it.each<[FeedbackRuleName, Judgment[], number[] | null]>([
    ['best-of-n', [second], [0, 1, 0]],
    ['best-of-n', [first, second], [0.5, 0.5, 0]],
    ['best-of-n', [ranked], [0, 0, 1]],
    ['best-of-n', [rated], [0, 0.5, 0.5]],
    ['best-of-n', [none], [0, 0, 0]],
    ['best-of-n', [none, second], [0, 0.5, 0]],
    ['pairwise', [ranked], [0.5, 0, 1]],
    ['pairwise', [second], [0.25, 1, 0.25]],
    ['pairwise', [rated], [0, 0.75, 0.75]],
    ['pairwise', [none], [0, 0, 0]],
    ['ratings', [rated], [0.2, 0.8, 0.8]],
    ['ratings', [ranked], [0.5, 0, 1]],
    ['ratings', [first, rated], [0.6, 0.4, 0.4]],
    ['consensus', [first, second, second], [0, 1, 0]],
    ['consensus', [first, second], null],
    ['consensus', [none, none, second], [0, 0, 0]],
  ])('should turn votes into rewards by %s: %j', (rule, judgments, rewards) => {
    expect(decide(rule, ...judgments)?.rewards ?? null).toEqual(rewards);
  });

  it('should tell how many voters agree on what they like best', () => {
    expect(decide('best-of-n', first, second, second)?.agreement).toBeCloseTo(2 / 3, 12);
    expect(decide('best-of-n', none, none)?.agreement).toBe(1);
  });

  it.each<[FeedbackRuleName, Judgment[], number[], number[]]>([
    ['best-of-n', [second, first], [0.9, 0.3], [0.25, 0.75, 0]],
    ['best-of-n', [none, { best: 2 }], [0.6, 0.2], [0, 0, 0.25]],
    ['best-of-n', [{ skip: true }, second, first], [0.5, 0.9, 0.3], [0.25, 0.75, 0]],
    ['pairwise', [ranked, second], [1, 3], [0.3125, 0.75, 0.4375]],
    ['ratings', [ranked, first], [3, 1], [0.625, 0, 0.75]],
    ['consensus', [first, first, second], [0.2, 0.2, 0.9], [0, 1, 0]],
  ])('should let each vote count by its weight by %s: %j, %j', (rule, judgments, weights, rewards) => {
    const decision = decideFeedback(rule, judgments, 3, weights);
    expect(decision?.rewards).toEqual(rewards.map((reward) => expect.closeTo(reward, 12)));
  });

  it('should tell the agreement of people, whatever their weights', () => {
    expect(decideFeedback('consensus', [first, first, second], 3, [1, 1, 9])?.agreement).toBeCloseTo(
      2 / 3,
      12,
    );
  });

  it('should be as without weights where all are alike', () => {
    const judgments = [first, second, second, rated, ranked, none];
    for (const { name } of FEEDBACK_RULES)
      expect(decideFeedback(name, judgments, 3, [1, 1, 1, 1, 1, 1])).toEqual(decide(name, ...judgments));
  });

  it('should count those who skip for nothing', () => {
    expect(decide('ratings', { skip: true })).toBeNull();
    expect(decide('ratings', { skip: true }, first)).toEqual({ rewards: [1, 0, 0], agreement: 1 });
  });

  it('should give rewards in [0, 1], whatever the votes and their order', () => {
    const judgment = fc.oneof(
      fc.nat(2).map((best): Judgment => ({ best })),
      fc.shuffledSubarray([0, 1, 2], { minLength: 3 }).map((ranking): Judgment => ({ ranking })),
      fc
        .tuple(...[0, 1, 2].map(() => fc.double({ min: 0, max: 1, noNaN: true })))
        .map((ratings): Judgment => ({ ratings })),
      fc.constantFrom<Judgment>(none, { skip: true }),
    );
    const rule = fc.constantFrom(...FEEDBACK_RULES.map(({ name }) => name));
    fc.assert(
      fc.property(rule, fc.array(judgment, { maxLength: 6 }), (name, judgments) => {
        const decision = decide(name, ...judgments);
        const reversed = decide(name, ...[...judgments].reverse());
        for (const [picture, reward] of (decision?.rewards ?? []).entries()) {
          expect(reward).toBeGreaterThanOrEqual(0);
          expect(reward).toBeLessThanOrEqual(1 + 1e-12);
          expect(reversed?.rewards[picture]).toBeCloseTo(reward, 12);
        }
        expect(reversed?.agreement).toBe(decision?.agreement);
      }),
    );
  });
});

describe('choiceOf', () => {
  it.each<[Judgment, number | null | undefined]>([
    [second, 1],
    [ranked, 2],
    [{ ratings: [0.2, 0.9, 0.8] }, 1],
    [rated, undefined],
    [none, null],
    [{ skip: true }, undefined],
  ])('should tell what %j says is best', (judgment, best) => {
    expect(choiceOf(judgment, 3)).toBe(best);
  });
});

describe('judgmentFault', () => {
  it.each<[Judgment, string | null]>([
    [{ best: 2 }, null],
    [{ best: 3 }, 'expected the best picture from 0 to 2, got 3'],
    [{ best: 0.5 }, 'expected the best picture from 0 to 2, got 0.5'],
    [{ ranking: [2, 0, 1] }, null],
    [{ ranking: [0, 0, 1] }, 'expected a ranking with each picture from 0 to 2 once, got [0, 0, 1]'],
    [{ ranking: [0, 1] }, 'expected a ranking with each picture from 0 to 2 once, got [0, 1]'],
    [{ ratings: [0, 0.5, 1] }, null],
    [{ ratings: [0, 0.5] }, 'expected 3 ratings from 0 to 1, got [0, 0.5]'],
    [{ ratings: [0, 0.5, 1.5] }, 'expected 3 ratings from 0 to 1, got [0, 0.5, 1.5]'],
    [{ ratings: [0, 0.5, Number.NaN] }, 'expected 3 ratings from 0 to 1, got [0, 0.5, NaN]'],
    [{ none: true }, null],
    [{ skip: true }, null],
  ])('should say of %j: %s', (judgment, fault) => {
    expect(judgmentFault(judgment, 3)).toBe(fault);
  });
});
