/** @file How a choice comes about, one picture at a time: the best, an order, or a rating for each. */

import type { Judgment } from '../../client/types.js';

export type Way = 'best' | 'order' | 'rating';

/** Ratings that a picture can get, from 1. */
export const RATINGS = 5;

/** A choice in the making. */
export interface Ballot {
  readonly way: Way;
  readonly pictures: number;
  /** For an order: pictures, the best first. For ratings: 1 to 5 by picture, 0 for none yet. */
  readonly marks: readonly number[];
}

/** What a rule of the config asks of a person. */
export function wayOf(rule: string | undefined): Way {
  if (rule === 'ratings') return 'rating';
  return rule === 'pairwise' ? 'order' : 'best';
}

/** A ballot on which nothing is marked. */
export function openBallot(way: Way, pictures: number): Ballot {
  return { way, pictures, marks: way === 'rating' ? new Array<number>(pictures).fill(0) : [] };
}

/** The picture that is rated next; the number of pictures where all are. */
export function nextToRate({ marks, pictures }: Ballot): number {
  const next = marks.indexOf(0);
  return next < 0 ? pictures : next;
}

/** Marks a picture: as the best, as the next in order, or with a rating of 1 to 5. */
export function mark(ballot: Ballot, picture: number, rating = 0): Ballot | Judgment {
  const { way, pictures, marks } = ballot;
  if (picture < 0 || picture >= pictures) return ballot;
  if (way === 'best') return { best: picture };
  if (way === 'order') {
    if (marks.includes(picture)) return ballot;
    const next = [...marks, picture];
    if (next.length < pictures - 1) return { ...ballot, marks: next };
    const last = Array.from({ length: pictures }, (_, index) => index).filter((one) => !next.includes(one));
    return { ranking: [...next, ...last] };
  }
  if (rating < 1 || rating > RATINGS) return ballot;
  const next = marks.map((one, index) => (index === picture ? rating : one));
  if (next.includes(0)) return { ...ballot, marks: next };
  return { ratings: next.map((one) => (one - 1) / (RATINGS - 1)) };
}

/** Takes the last mark back. */
export function unmark(ballot: Ballot): Ballot {
  const { way, marks } = ballot;
  if (way === 'order') return { ...ballot, marks: marks.slice(0, -1) };
  const last = marks.findLastIndex((one) => one > 0);
  return { ...ballot, marks: marks.map((one, index) => (index === last ? 0 : one)) };
}

/** Whether something is marked. */
export function isBegun({ way, marks }: Ballot): boolean {
  return way === 'order' ? marks.length > 0 : marks.some((one) => one > 0);
}

/** Says what a picture is in a verdict; empty where it is nothing. */
export function placeIn(verdict: Judgment | undefined, picture: number): string {
  if (!verdict) return '';
  if ('best' in verdict) return verdict.best === picture ? 'your choice' : '';
  if ('ranking' in verdict) return `your number ${verdict.ranking.indexOf(picture) + 1}`;
  if ('ratings' in verdict) {
    const rating = verdict.ratings[picture];
    return rating === undefined ? '' : `you gave it ${1 + Math.round(rating * (RATINGS - 1))} of ${RATINGS}`;
  }
  return '';
}

/** A verdict in a few words. */
export function wordsOf(verdict: Judgment): string {
  if ('best' in verdict) return `Picture ${verdict.best + 1} chosen`;
  if ('ranking' in verdict) return `Order ${verdict.ranking.map((picture) => picture + 1).join(', ')}`;
  if ('ratings' in verdict)
    return `Rated ${verdict.ratings.map((rating) => 1 + Math.round(rating * (RATINGS - 1))).join(', ')}`;
  return 'none' in verdict ? 'None of them' : 'Skipped';
}
