import { describe, expect, it } from 'vitest';
import {
  type AgreementOptions,
  believedRewards,
  type Choice,
  raterReliability,
} from '../../../src/operators/feedback/rater-agreement.js';

const OPTIONS: AgreementOptions = { numPictures: 4, expected: 0.8, priorVotes: 4 };

/** Groups g0, g1, ... with the choices of each voter, one a group. */
const choicesOf = (columns: Record<string, readonly (number | null)[]>): Choice[] =>
  Object.entries(columns).flatMap(([voter, answers]) =>
    answers.map((best, index) => ({ group: `g${index}`, voter, best })),
  );

describe('believedRewards', () => {
  it("should give a lone voter's picture the probability that the voter is right", () => {
    const rewards = believedRewards([{ voter: 'ann', best: 2 }], new Map([['ann', 0.9]]), OPTIONS);
    // The other three pictures and "none" share the rest.
    expect(rewards).toEqual([0.025, 0.025, 0.9, 0.025].map((value) => expect.closeTo(value, 12)));
  });

  it('should multiply the odds of voters', () => {
    const reliability = new Map([
      ['ann', 0.9],
      ['bo', 0.6],
    ]);
    const rewards = believedRewards(
      [
        { voter: 'ann', best: 0 },
        { voter: 'bo', best: 1 },
      ],
      reliability,
      OPTIONS,
    );
    // Odds 36 for ann's picture, 6 for bo's, 1 for the two others and for none.
    expect(rewards).toEqual([36 / 45, 6 / 45, 1 / 45, 1 / 45].map((value) => expect.closeTo(value, 12)));
  });

  it('should let a voter at chance or below it change nothing', () => {
    const reliability = new Map([
      ['ann', 0.2],
      ['bo', 0.01],
    ]);
    const votes = [
      { voter: 'ann', best: 0 },
      { voter: 'bo', best: 1 },
    ];
    expect(believedRewards(votes, reliability, OPTIONS)).toEqual([0.2, 0.2, 0.2, 0.2]);
  });

  it('should keep for "none of them" what no picture gets', () => {
    const rewards = believedRewards([{ voter: 'ann', best: null }], new Map([['ann', 0.9]]), OPTIONS);
    expect(rewards.reduce((sum, reward) => sum + reward, 0)).toBeCloseTo(0.1, 12);
  });

  it('should take an unknown voter for an expected one', () => {
    expect(believedRewards([{ voter: 'new', best: 0 }], new Map(), OPTIONS)[0]).toBeCloseTo(0.8, 12);
  });
});

describe('raterReliability', () => {
  it('should keep what is expected of voters who are alone', () => {
    const choices = choicesOf({ ann: [0, 1, 2, 3, 0, 0] });
    expect(raterReliability(choices, OPTIONS).get('ann')).toBeCloseTo(0.8, 8);
  });

  it('should be a fixed point of its equations', () => {
    const choices = choicesOf({ ann: [0, 1, 2, 3, 1], bo: [0, 1, 2, 0, 1], cy: [1, 1, 0, 3, null] });
    const reliability = raterReliability(choices, OPTIONS);
    for (const [voter, p] of reliability) {
      const own = choices.filter((choice) => choice.voter === voter);
      const right = own.map(({ group, best }) => {
        const votes = choices.filter((choice) => choice.group === group);
        const rewards = believedRewards(votes, reliability, OPTIONS);
        return best === null ? 1 - rewards.reduce((sum, reward) => sum + reward, 0) : (rewards[best] ?? 0);
      });
      const expected = (4 * 0.8 + right.reduce((sum, value) => sum + value, 0)) / (4 + own.length);
      expect(p).toBeCloseTo(expected, 6);
    }
  });

  it('should believe all alike where all always agree', () => {
    const answers = [0, 3, 1, 2, null, 1];
    const [ann, bo, cy] = raterReliability(
      choicesOf({ ann: answers, bo: answers, cy: answers }),
      OPTIONS,
    ).values();
    expect(bo).toBe(ann);
    expect(cy).toBe(ann);
    // (4 · 0.8 + 6) / (4 + 6), but for the doubt that three voters leave.
    expect(ann).toBeCloseTo(0.92, 2);
  });

  it('should bring one who always takes the first picture near chance', () => {
    const right = Array.from({ length: 60 }, (_, index) => (index * 7) % 4);
    const reliability = raterReliability(
      choicesOf({ ann: right, bo: right, lazy: right.map(() => 0) }),
      OPTIONS,
    );
    // A quarter of 60 right, and 4 expected: (3.2 + 15) / 64.
    expect(reliability.get('lazy')).toBeCloseTo(0.284, 2);
    expect(reliability.get('ann')).toBeGreaterThan(0.95);
  });

  it('should believe the more common one of two tastes', () => {
    const [common, rare] = [
      Array.from({ length: 30 }, (_, i) => i % 4),
      Array.from({ length: 30 }, (_, i) => (i + 1) % 4),
    ];
    const reliability = raterReliability(choicesOf({ ann: common, bo: common, cy: rare }), OPTIONS);
    expect(reliability.get('ann')).toBeGreaterThan(0.95);
    expect(reliability.get('cy')).toBeLessThan(0.15);
  });

  it('should not depend on the order of choices, and count the last of a voter in a group', () => {
    const choices = choicesOf({ ann: [0, 1, 2], bo: [0, 1, 3] });
    const again = raterReliability([...choices].reverse(), OPTIONS);
    for (const [voter, p] of raterReliability(choices, OPTIONS)) expect(again.get(voter)).toBeCloseTo(p, 12);
    const changed = raterReliability([{ group: 'g0', voter: 'ann', best: 3 }, ...choices], OPTIONS);
    expect(changed.get('ann')).toBeCloseTo(again.get('ann') ?? 0, 12);
  });

  it.each([
    ['numPictures', { ...OPTIONS, numPictures: 1 }],
    ['priorVotes', { ...OPTIONS, priorVotes: 0 }],
    ['expected', { ...OPTIONS, expected: 0.1 }],
    ['1 - expected', { ...OPTIONS, expected: 1 }],
  ])('should refuse %s out of range', (name, options) => {
    expect(() => raterReliability([], options)).toThrow(name);
  });
});
