/** @file How far each voter is to be believed, from how often voters of the same group agree. */

import { at } from '../../at.js';
import { requireCount, requireFloor } from '../checks/option-checks.js';

/** What one voter chose in one group. */
export interface Choice {
  readonly group: string;
  readonly voter: string;
  /** The best picture, counted from 0; null for none of them. */
  readonly best: number | null;
}

export interface AgreementOptions {
  /** Pictures of a group, n, at least 2. */
  readonly numPictures: number;
  /** How often a voter is expected to be right before anything is known of them, in (1 / (n + 1), 1). */
  readonly expected: number;
  /** How many votes that expectation counts as, above 0. */
  readonly priorVotes: number;
}

/** Most passes; a pass that changes no reliability by more than 1e-9 is the last one. */
const MOST_PASSES = 100;
const CONVERGED = 1e-9;

/**
 * Returns, by voter, the estimated probability of choosing what is best.
 *
 * The model of Dawid and Skene (1979) with one number a voter: a group has one right answer t among its n pictures and
 * "none", all m = n + 1 alike beforehand; voter v gives it with probability p_v, and each other answer with
 * (1 - p_v) / (m - 1). Expectation-maximization from p_v = `expected`:
 *
 *     q_g(i) ∝ exp(Σ_{v chose i in g} w(p_v)),   w(p) = ln(p (m - 1) / (1 - p))
 *     p_v    = (priorVotes expected + Σ_g q_g(choice of v in g)) / (priorVotes + number of groups of v)
 *
 * A voter who is alone in all of their groups keeps `expected`: nothing contradicts them. One who answers whatever the
 * pictures are comes near chance. Where two tastes disagree, those of the more common one are believed. Choices are taken
 * in any order; of several by one voter in one group, the last counts.
 *
 * Departure: the prior (Dawid and Skene have none) keeps the few votes of a newcomer from deciding on their reliability.
 *
 * Errors: TRIB_OPERATOR for options outside their ranges.
 */
export function raterReliability(
  choices: readonly Choice[],
  options: AgreementOptions,
): ReadonlyMap<string, number> {
  const { expected, priorVotes } = options;
  requireAgreement(options);
  const groups = byGroup(choices);
  let reliability = new Map(choices.map(({ voter }) => [voter, expected]));
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const sums = new Map([...reliability.keys()].map((voter) => [voter, { right: 0, votes: 0 }]));
    for (const votes of groups.values()) {
      const beliefs = beliefsOf(votes, reliability, options);
      for (const [voter, best] of votes) {
        const sum = sums.get(voter);
        if (sum === undefined) continue;
        sum.right += at(beliefs, answerOf(best, options));
        sum.votes += 1;
      }
    }
    const next = new Map(
      [...sums].map(([voter, { right, votes }]) => [
        voter,
        (priorVotes * expected + right) / (priorVotes + votes),
      ]),
    );
    const change = Math.max(0, ...[...next].map(([voter, p]) => Math.abs(p - (reliability.get(voter) ?? 0))));
    reliability = next;
    if (change <= CONVERGED) break;
  }
  return reliability;
}

/**
 * Returns the rewards of a group: the probability q(i) that each picture is the best one, given the votes and how far each
 * voter is to be believed. Rewards and the belief in "none of them" add up to 1.
 *
 * A voter below chance, 1 / m, counts as one at chance, who changes nothing: few votes do not show that somebody means
 * the opposite. An unknown voter counts as `expected`.
 *
 * Errors: TRIB_OPERATOR for options outside their ranges.
 */
export function believedRewards(
  votes: readonly Omit<Choice, 'group'>[],
  reliability: ReadonlyMap<string, number>,
  options: AgreementOptions,
): readonly number[] {
  requireAgreement(options);
  const byVoter = new Map(votes.map(({ voter, best }) => [voter, best]));
  return beliefsOf(byVoter, reliability, options).slice(0, options.numPictures);
}

/** By voter, the best picture. */
type GroupVotes = ReadonlyMap<string, number | null>;

function byGroup(choices: readonly Choice[]): ReadonlyMap<string, GroupVotes> {
  const groups = new Map<string, Map<string, number | null>>();
  for (const { group, voter, best } of choices) {
    const votes = groups.get(group) ?? new Map<string, number | null>();
    groups.set(group, votes.set(voter, best));
  }
  return groups;
}

/** q of every picture, and of none of them behind them. */
function beliefsOf(
  votes: GroupVotes,
  reliability: ReadonlyMap<string, number>,
  options: AgreementOptions,
): number[] {
  const weights = Array.from({ length: options.numPictures + 1 }, () => 0);
  for (const [voter, best] of votes) {
    const answer = answerOf(best, options);
    weights[answer] = at(weights, answer) + weightOf(reliability.get(voter) ?? options.expected, options);
  }
  const most = Math.max(...weights);
  const odds = weights.map((weight) => Math.exp(weight - most));
  const total = odds.reduce((sum, value) => sum + value, 0);
  return odds.map((value) => value / total);
}

const answerOf = (best: number | null, { numPictures }: AgreementOptions) => best ?? numPictures;

/** w(p), at least 0. */
const weightOf = (p: number, { numPictures }: AgreementOptions) =>
  Math.max(0, Math.log((p * numPictures) / (1 - p)));

function requireAgreement({ numPictures, expected, priorVotes }: AgreementOptions): void {
  requireCount('raterReliability', 'numPictures', numPictures, 2);
  requireFloor('raterReliability', 'priorVotes', priorVotes, Number.MIN_VALUE);
  requireFloor('raterReliability', '1 - expected', 1 - expected, Number.EPSILON);
  requireFloor('raterReliability', 'expected', expected, 1 / (numPictures + 1));
}
