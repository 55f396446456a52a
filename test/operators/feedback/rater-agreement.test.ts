import { describe, expect, it } from 'vitest';
import {
  type AgreementOptions,
  type RaterChoice,
  type RaterHabits,
  raterHabits,
} from '../../../src/operators/feedback/rater-agreement.js';

const OPTIONS: AgreementOptions = { numPictures: 4, expected: 0.8, priorVotes: 4 };
const EVENLY = [0.2, 0.2, 0.2, 0.2, 0.2];

/** Groups g0, g1, ... with the choices of each voter, one a group. */
const choicesOf = (columns: Record<string, readonly (number | null)[]>): RaterChoice[] =>
  Object.entries(columns).flatMap(([voter, answers]) =>
    answers.map((best, index) => ({ group: `g${index}`, voter, best })),
  );

const looksOf = (choices: readonly RaterChoice[], voter: string) =>
  raterHabits(choices, OPTIONS).get(voter)?.looks ?? Number.NaN;

/** Answers that visit every picture equally often. */
const spread = (count: number, factor = 1, start = 0) =>
  Array.from({ length: count }, (_, index) => (index * factor + start) % 4);

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** q(t), written out. */
function beliefIn(
  truth: number | null,
  votes: readonly RaterChoice[],
  habits: ReadonlyMap<string, RaterHabits>,
) {
  const likelihood = (answer: number | null) =>
    votes.reduce((product, { voter, best }) => {
      const { looks, guesses } = habits.get(voter) as RaterHabits;
      return product * ((best === answer ? looks : 0) + (1 - looks) * (guesses[best ?? 4] ?? Number.NaN));
    }, 1);
  return likelihood(truth) / sum([0, 1, 2, 3, null].map(likelihood));
}

describe('raterHabits', () => {
  it('should keep what is expected of one who is alone and names all places alike', () => {
    const answers = [...spread(40), ...new Array<null>(10).fill(null)];
    const habits = raterHabits(choicesOf({ ann: answers }), OPTIONS).get('ann');
    expect(habits?.looks).toBeCloseTo(0.8, 4);
    expect(habits?.guesses).toEqual(EVENLY.map((value) => expect.closeTo(value, 6)));
  });

  it('should be a fixed point of its equations', () => {
    const choices = choicesOf({ ann: [0, 1, 2, 3, 1], bo: [0, 1, 2, 0, 1], cy: [1, 1, 0, 3, null] });
    const habits = raterHabits(choices, OPTIONS);
    for (const [voter, { looks, guesses }] of habits) {
      const own = choices.filter((choice) => choice.voter === voter);
      const looked = own.map(({ group, best }) => {
        const belief = beliefIn(
          best,
          choices.filter((choice) => choice.group === group),
          habits,
        );
        const guess = (1 - looks) * (guesses[best ?? 4] ?? Number.NaN);
        return (belief * looks) / (looks + guess);
      });
      expect(looks).toBeCloseTo((4 * 0.8 + sum(looked)) / (4 + own.length), 6);
      const onFirst = sum(looked.map((value, index) => (own[index]?.best === 0 ? 1 - value : 0)));
      expect(guesses[0]).toBeCloseTo((4 / 5 + onFirst) / (4 + own.length - sum(looked)), 6);
    }
  });

  it('should believe all alike where all always agree', () => {
    const answers = spread(20, 3);
    const [ann, bo, cy] = raterHabits(
      choicesOf({ ann: answers, bo: answers, cy: answers }),
      OPTIONS,
    ).values();
    expect(bo).toEqual(ann);
    expect(cy).toEqual(ann);
    expect(ann?.looks).toBeGreaterThan(0.9);
  });

  it.each([
    ['one', { lazy: spread(60, 0) }],
    ['two of four, who agree with each other', { lazy: spread(60, 0), idle: spread(60, 0) }],
    ['four of six', { lazy: spread(60, 0), idle: spread(60, 0), late: spread(60, 0), bored: spread(60, 0) }],
  ])('should not believe those who always name the first picture: %s', (_, others) => {
    const choices = choicesOf({ ann: spread(60, 7), bo: spread(60, 7), ...others });
    expect(looksOf(choices, 'ann')).toBeGreaterThan(0.9);
    expect(looksOf(choices, 'lazy')).toBeLessThan(0.3);
    const looks = (voters: readonly string[]) => sum(voters.map((voter) => looksOf(choices, voter)));
    expect(looks(['ann', 'bo'])).toBeGreaterThan(1.5 * looks(Object.keys(others)));
  });

  it('should find one who answers at random', () => {
    // Each of the four answers equally often, whatever the right one is.
    const random = Array.from({ length: 64 }, (_, index) => Math.floor(index / 4) % 4);
    const choices = choicesOf({ ann: spread(64), bo: spread(64), random });
    expect(looksOf(choices, 'random')).toBeLessThan(0.15);
  });

  it('should believe the more common one of two tastes', () => {
    const choices = choicesOf({ ann: spread(30), bo: spread(30), cy: spread(30, 1, 1) });
    expect(looksOf(choices, 'ann')).toBeGreaterThan(0.9);
    expect(looksOf(choices, 'cy')).toBeLessThan(0.2);
  });

  it('should not depend on the order of choices, and count the last of a voter in a group', () => {
    const choices = choicesOf({ ann: [0, 1, 2], bo: [0, 1, 3] });
    const again = raterHabits([...choices].reverse(), OPTIONS);
    for (const [voter, { looks }] of raterHabits(choices, OPTIONS))
      expect(again.get(voter)?.looks).toBeCloseTo(looks, 12);
    const changed = raterHabits([{ group: 'g0', voter: 'ann', best: 3 }, ...choices], OPTIONS);
    expect(changed.get('ann')?.looks).toBeCloseTo(again.get('ann')?.looks ?? 0, 12);
  });

  it('should know nobody where nobody voted', () => {
    expect(raterHabits([], OPTIONS).size).toBe(0);
  });

  it.each([
    ['numPictures', { ...OPTIONS, numPictures: 1 }],
    ['priorVotes', { ...OPTIONS, priorVotes: 0 }],
    ['expected', { ...OPTIONS, expected: 0 }],
    ['1 - expected', { ...OPTIONS, expected: 1 }],
  ])('should refuse %s out of range', (name, options) => {
    expect(() => raterHabits([], options)).toThrow(name);
  });
});
