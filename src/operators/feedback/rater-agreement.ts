/** @file How far each voter is to be believed, from how voters of the same groups agree. */

import { at } from '../../at.js';
import { requireCount, requireFloor } from '../checks/option-checks.js';

/** What one voter chose in one group. */
export interface RaterChoice {
  readonly group: string;
  readonly voter: string;
  /** The best picture, counted from 0 in the order that all voters saw; null for none of them. */
  readonly best: number | null;
}

export interface AgreementOptions {
  /** Pictures of a group, n, at least 2. */
  readonly numPictures: number;
  /** How often a voter is expected to look before anything is known of them, in (0, 1). */
  readonly expected: number;
  /** How many votes that expectation counts as, above 0. */
  readonly priorVotes: number;
}

/** What is known of a voter. */
export interface RaterHabits {
  /** Probability that the voter looks, and then names the best, in (0, 1). */
  readonly looks: number;
  /** What the voter names otherwise: a probability for each picture, and for none of them behind these. */
  readonly guesses: readonly number[];
}

/** Most passes; a pass that changes no `looks` by more than 1e-9 is the last one. */
const MOST_PASSES = 200;
const CONVERGED = 1e-9;

/**
 * Returns what is known of each voter.
 *
 * The model of MACE (Hovy et al. 2013): a group has one right answer t among its n pictures and "none", all m = n + 1 alike
 * beforehand. Voter v looks with probability θ_v and names t, or else names answer j with probability ξ_v(j), whatever t
 * is. Expectation-maximization, with a_gv the answer of v in g:
 *
 *     q_g(t) ∝ Π_v (θ_v [a_gv = t] + (1 - θ_v) ξ_v(a_gv))
 *     l_gv   = q_g(a_gv) θ_v / (θ_v + (1 - θ_v) ξ_v(a_gv))           the chance that v looked
 *     θ_v    = (priorVotes expected + Σ_g l_gv) / (priorVotes + votes of v)
 *     ξ_v(j) = (priorVotes / m + Σ_{g: a_gv = j} (1 - l_gv)) / (priorVotes + Σ_g (1 - l_gv))
 *
 * It starts from θ = ½ and ξ as the voter's own answers are spread, so that those who always name one place are not taken
 * for witnesses of each other. Where two tastes disagree, those are believed who agree more among themselves. Choices are
 * taken in any order; of several by one voter in one group, the last counts.
 *
 * Departures: priors on θ and ξ of the strength `priorVotes`, which MACE has in its variational form alone, keep the few
 * votes of a newcomer from deciding on them; one start that is no draw, in place of the best of ten.
 *
 * Errors: TRIB_OPERATOR for options outside their ranges.
 */
export function raterHabits(
  choices: readonly RaterChoice[],
  options: AgreementOptions,
): ReadonlyMap<string, RaterHabits> {
  requireAgreement(options);
  const groups = byGroup(choices, options.numPictures);
  let habits = firstHabits(groups, options);
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const next = nextHabits(groups, habits, options);
    const change = Math.max(
      0,
      ...Array.from(next, ([voter, { looks }]) => Math.abs(looks - (habits.get(voter)?.looks ?? 0))),
    );
    habits = next;
    if (change <= CONVERGED) break;
  }
  return habits;
}

/** By voter the answer: a picture, or n for none of them. */
type Answers = ReadonlyMap<string, number>;

function byGroup(choices: readonly RaterChoice[], numPictures: number): readonly Answers[] {
  const groups = new Map<string, Map<string, number>>();
  for (const { group, voter, best } of choices) {
    const answers = groups.get(group) ?? new Map<string, number>();
    groups.set(group, answers.set(voter, best ?? numPictures));
  }
  return [...groups.values()];
}

/** What is summed of a voter's votes: how many were looked at, and the others by answer. */
interface Tally {
  votes: number;
  looked: number;
  readonly guessed: number[];
}

function tallies(
  groups: readonly Answers[],
  { numPictures }: AgreementOptions,
  lookedOf: (answers: Answers) => (voter: string, answer: number) => number,
): ReadonlyMap<string, Tally> {
  const byVoter = new Map<string, Tally>();
  for (const answers of groups) {
    const looked = lookedOf(answers);
    for (const [voter, answer] of answers) {
      const tally = byVoter.get(voter) ?? {
        votes: 0,
        looked: 0,
        guessed: new Array(numPictures + 1).fill(0),
      };
      byVoter.set(voter, tally);
      const share = looked(voter, answer);
      tally.votes += 1;
      tally.looked += share;
      tally.guessed[answer] = at(tally.guessed, answer) + 1 - share;
    }
  }
  return byVoter;
}

function firstHabits(
  groups: readonly Answers[],
  options: AgreementOptions,
): ReadonlyMap<string, RaterHabits> {
  const spread = tallies(groups, options, () => () => 0);
  return new Map(
    Array.from(spread, ([voter, { guessed }]) => [
      voter,
      { looks: 0.5, guesses: smoothed(guessed, options) },
    ]),
  );
}

function nextHabits(
  groups: readonly Answers[],
  habits: ReadonlyMap<string, RaterHabits>,
  options: AgreementOptions,
): ReadonlyMap<string, RaterHabits> {
  const { expected, priorVotes } = options;
  const sums = tallies(groups, options, (answers) => {
    const beliefs = beliefsOf(answers, habits, options);
    return (voter, answer) => {
      const { looks, guess } = answerOf(voter, answer, habits, options);
      return (at(beliefs, answer) * looks) / (looks + guess);
    };
  });
  return new Map(
    Array.from(sums, ([voter, { votes, looked, guessed }]) => [
      voter,
      {
        looks: (priorVotes * expected + looked) / (priorVotes + votes),
        guesses: smoothed(guessed, options),
      },
    ]),
  );
}

/** ξ from counts by answer. */
function smoothed(counts: readonly number[], { priorVotes }: AgreementOptions): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (priorVotes / counts.length + count) / (priorVotes + total));
}

/** θ and (1 - θ) ξ(answer) of a voter. */
function answerOf(
  voter: string,
  answer: number,
  habits: ReadonlyMap<string, RaterHabits>,
  { expected, numPictures }: AgreementOptions,
): { readonly looks: number; readonly guess: number } {
  const { looks, guesses } = habits.get(voter) ?? { looks: expected, guesses: null };
  return { looks, guess: (1 - looks) * (guesses ? at(guesses, answer) : 1 / (numPictures + 1)) };
}

/** q of every picture, and of none of them behind them. */
function beliefsOf(
  answers: Answers,
  habits: ReadonlyMap<string, RaterHabits>,
  options: AgreementOptions,
): number[] {
  // A vote multiplies the odds of its own answer alone, by 1 + θ / ((1 - θ) ξ).
  const weights = new Array<number>(options.numPictures + 1).fill(0);
  for (const [voter, answer] of answers) {
    const { looks, guess } = answerOf(voter, answer, habits, options);
    weights[answer] = at(weights, answer) + Math.log1p(looks / guess);
  }
  const most = Math.max(...weights);
  const odds = weights.map((weight) => Math.exp(weight - most));
  const total = odds.reduce((sum, value) => sum + value, 0);
  return odds.map((value) => value / total);
}

function requireAgreement({ numPictures, expected, priorVotes }: AgreementOptions): void {
  requireCount('raterHabits', 'numPictures', numPictures, 2);
  requireFloor('raterHabits', 'priorVotes', priorVotes, Number.MIN_VALUE);
  requireFloor('raterHabits', 'expected', expected, Number.MIN_VALUE);
  requireFloor('raterHabits', '1 - expected', 1 - expected, Number.EPSILON);
}
