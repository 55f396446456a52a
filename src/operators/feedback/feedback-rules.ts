/** @file How what people say of pictures becomes rewards. */

import { at } from '../../at.js';
import { type Entry, entryNamed } from '../../catalog.js';

/** What a person says of the pictures of a group. Pictures are counted from 0. */
export type Judgment =
  /** The best picture. */
  | { readonly best: number }
  /** Every picture once, the best first. */
  | { readonly ranking: readonly number[] }
  /** One number in [0, 1] a picture. */
  | { readonly ratings: readonly number[] }
  /** None of them is good: feedback that gives every picture 0. */
  | { readonly none: true }
  /** No feedback. */
  | { readonly skip: true };

/** What voters decided. */
export interface FeedbackDecision {
  /** One number a picture, in [0, 1]. */
  readonly rewards: readonly number[];
  /** Share of the voters who made the most common choice: the picture they like best, or none. In (0, 1]. */
  readonly agreement: number;
}

interface FeedbackRule extends Entry {
  /** The rewards for some votes; null where they do not decide yet. */
  readonly rewards: (votes: readonly Vote[], numPictures: number) => readonly number[] | null;
}

/** What a vote says: how good each picture is, in [0, 1] and as evenly spread as the vote says; null for none of them. */
type Ballot = readonly number[] | null;

/** A vote that counts. */
interface Vote {
  readonly ballot: Ballot;
  readonly weight: number;
}

export const FEEDBACK_RULES = [
  {
    name: 'best-of-n',
    summary: 'the picture that a voter likes best gets 1 and all others 0; the mean over the voters',
    rewards: (votes, n) => mean(votes, bestOf, n),
  },
  {
    name: 'pairwise',
    summary:
      'the share of the other pictures of the group that a picture beats, a tie counting one half; the mean over the voters',
    rewards: (votes, n) => mean(votes, winRates, n),
  },
  {
    name: 'ratings',
    summary: 'the mean of the ratings; a ranking counts as ratings at equal distances from 1 to 0',
    rewards: (votes, n) => mean(votes, (ballot) => ballot, n),
  },
  {
    name: 'consensus',
    summary:
      'the picture that most voters like best gets 1 and all others 0; where two lead alike, one voter more is asked',
    rewards: (votes, n) => {
      const [first, second] = countChoices(votes);
      if (first === undefined || first.weight === second?.weight) return null;
      return mean([first], bestOf, n);
    },
  },
] as const satisfies readonly FeedbackRule[];

export type FeedbackRuleName = (typeof FEEDBACK_RULES)[number]['name'];

/**
 * Returns what votes decide, or null where they do not decide yet.
 *
 * Equations, for the votes v = 1..k, the ratings s_v of n pictures in [0, 1], 0 for all where a vote says none:
 *
 *     best-of-n, consensus   r_i = mean over v of [i is best in s_v] / (number of best ones), consensus for the heaviest choice alone
 *     pairwise               r_i = mean over v of (#{j: s_vi > s_vj} + #{j /= i: s_vi = s_vj} / 2) / (n - 1)
 *     ratings                r_i = mean over v of s_vi
 *
 * A choice of the best counts as ratings 1 and 0, and a ranking as ratings at equal distances. `skip` is no vote. Means are
 * over votes as heavy as their weights.
 *
 * @param weights one a judgment, above 0; default: all alike.
 */
export function decideFeedback(
  rule: FeedbackRuleName,
  judgments: readonly Judgment[],
  numPictures: number,
  weights?: readonly number[],
): FeedbackDecision | null {
  const votes = judgments.flatMap((judgment, index): Vote[] =>
    'skip' in judgment
      ? []
      : [{ ballot: ballotOf(judgment, numPictures), weight: weights ? at(weights, index) : 1 }],
  );
  if (votes.length === 0) return null;
  const entry: FeedbackRule = entryNamed(FEEDBACK_RULES, rule);
  const rewards = entry.rewards(votes, numPictures);
  const mostCommon = Math.max(...countChoices(votes).map(({ count }) => count));
  return rewards && { rewards, agreement: mostCommon / votes.length };
}

/** Returns why a judgment does not fit a group, as a phrase `expected ..., got ...`; null if it fits. */
export function judgmentFault(judgment: Judgment, numPictures: number): string | null {
  const isPicture = (value: number) => Number.isInteger(value) && value >= 0 && value < numPictures;
  if ('best' in judgment)
    return isPicture(judgment.best)
      ? null
      : `expected the best picture from 0 to ${numPictures - 1}, got ${judgment.best}`;
  if ('ranking' in judgment) {
    const { ranking } = judgment;
    const isWhole = ranking.length === numPictures && new Set(ranking).size === numPictures;
    return isWhole && ranking.every(isPicture)
      ? null
      : `expected a ranking with each picture from 0 to ${numPictures - 1} once, got [${ranking.slice(0, 20).join(', ')}]`;
  }
  if (!('ratings' in judgment)) return null;
  const { ratings } = judgment;
  return ratings.length === numPictures && ratings.every((value) => value >= 0 && value <= 1)
    ? null
    : `expected ${numPictures} ratings from 0 to 1, got [${ratings.slice(0, 20).join(', ')}]`;
}

/** Returns how good a judgment says each picture is, in [0, 1]; null where it says that none is. */
export function ballotOf(judgment: Exclude<Judgment, { readonly skip: true }>, numPictures: number): Ballot {
  const pictures = Array.from({ length: numPictures }, (_, picture) => picture);
  if ('best' in judgment) return pictures.map((picture) => (picture === judgment.best ? 1 : 0));
  if ('ranking' in judgment)
    return pictures.map((picture) => 1 - judgment.ranking.indexOf(picture) / Math.max(1, numPictures - 1));
  return 'ratings' in judgment ? judgment.ratings : null;
}

/** Shares 1 among the best pictures. */
function bestOf(ballot: Ballot): Ballot {
  if (ballot === null) return null;
  const best = leadersOf(ballot);
  return ballot.map((_, picture) => (best.includes(picture) ? 1 / best.length : 0));
}

function winRates(ballot: Ballot): Ballot {
  if (ballot === null) return null;
  return ballot.map((own) => {
    const beaten = ballot.filter((other) => own > other).length;
    const ties = ballot.filter((other) => own === other).length - 1;
    return (beaten + ties / 2) / Math.max(1, ballot.length - 1);
  });
}

/** The picture that a judgment says is best, null for none of them; undefined where it names none alone, or skips. */
export function choiceOf(judgment: Judgment, numPictures: number): number | null | undefined {
  if ('skip' in judgment) return undefined;
  const ballot = ballotOf(judgment, numPictures);
  if (ballot === null) return null;
  const [leader, ...others] = leadersOf(ballot);
  return others.length > 0 ? undefined : leader;
}

function leadersOf(ratings: readonly number[]): number[] {
  const most = Math.max(...ratings);
  return ratings.flatMap((rating, picture) => (rating === most ? [picture] : []));
}

function mean(
  votes: readonly Vote[],
  valuesOf: (ballot: Ballot) => Ballot,
  numPictures: number,
): readonly number[] {
  const values = votes.map(({ ballot, weight }) => ({ ballot: valuesOf(ballot), weight }));
  const total = votes.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: numPictures }, (_, picture) => {
    const sum = values.reduce(
      (so, { ballot, weight }) => so + (ballot ? weight * at(ballot, picture) : 0),
      0,
    );
    return sum / total;
  });
}

interface Choice extends Vote {
  readonly count: number;
}

/** What voters like best, how many do, and how heavy they are, the heaviest first. */
function countChoices(votes: readonly Vote[]): Choice[] {
  const choices = new Map<string, Choice>();
  for (const { ballot, weight } of votes) {
    const key = ballot === null ? 'none' : leadersOf(ballot).join();
    const { count, weight: before } = choices.get(key) ?? { count: 0, weight: 0 };
    choices.set(key, { ballot, count: count + 1, weight: before + weight });
  }
  return [...choices.values()].sort((a, b) => b.weight - a.weight);
}
