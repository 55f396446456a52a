import { describe, expect, it } from 'vitest';
import { isBegun, mark, openBallot, placeIn, unmark, wayOf, wordsOf } from '../../src/studio/state/ballot.js';

describe('a ballot', () => {
  it('should ask what the rule of the config needs', () => {
    expect((['best-of-n', 'consensus', 'pairwise', 'ratings', undefined] as const).map(wayOf)).toEqual([
      'best',
      'best',
      'order',
      'rating',
      'best',
    ]);
  });

  it('should be a verdict with the first picture, where the best is asked for', () => {
    expect(mark(openBallot('best', 4), 2)).toEqual({ best: 2 });
    expect(mark(openBallot('best', 4), 4)).toEqual(openBallot('best', 4));
  });

  it('should put the last picture in order by itself, and each only once', () => {
    const marks = [2, 2, 0].reduce(
      (ballot, picture) => {
        const next = mark(ballot, picture);
        return 'way' in next ? next : ballot;
      },
      openBallot('order', 4),
    );
    expect(marks).toMatchObject({ marks: [2, 0] });
    expect(unmark(marks)).toMatchObject({ marks: [2] });
    expect(mark(marks, 3)).toEqual({ ranking: [2, 0, 3, 1] });
  });

  it('should turn ratings of 1 to 5 into shares once all are there', () => {
    const first = mark(openBallot('rating', 2), 1, 5);
    if (!('way' in first)) throw new Error('expected a ballot');
    expect([isBegun(first), isBegun(unmark(first))]).toEqual([true, false]);
    expect(mark(first, 0, 6)).toBe(first);
    expect(mark(first, 0, 2)).toEqual({ ratings: [0.25, 1] });
  });

  it('should say what it came to', () => {
    expect(
      [{ best: 0 }, { ranking: [1, 0] }, { ratings: [0, 1] }, { none: true }, { skip: true }].map((verdict) =>
        wordsOf(verdict as never),
      ),
    ).toEqual(['Picture 1 chosen', 'Order 2, 1', 'Rated 1, 5', 'None of them', 'Skipped']);
    expect([placeIn({ best: 1 }, 1), placeIn({ best: 1 }, 0), placeIn({ ranking: [2, 0, 1] }, 0)]).toEqual([
      'your choice',
      '',
      'your number 2',
    ]);
  });
});
