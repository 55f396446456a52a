import { defer, map, type OperatorFunction } from 'rxjs';
import type { IntervalSpec } from './interval-schedule.js';

/** Where a schedule is, and what it has seen there. */
export interface SchedulePlace {
  /** The position whose interval is next, unless people shift it: how often the schedule has moved on. */
  readonly position: number;
  /** First step of the interval that the rest was measured at; null where nothing was. */
  readonly firstStep: number | null;
  /** Correlations of its last rounds, those that were defined, at most `rounds` of them. */
  readonly correlations: readonly number[];
  /** Rounds at this interval. */
  readonly stayed: number;
}

/** What a finished round says about its interval. */
export interface RoundEvidence {
  /** First trained step; null where the round had nothing to train. */
  readonly firstStep: number | null;
  /** Intra-group correlation of the rewards; null where it is undefined. */
  readonly correlation: number | null;
  /** Whether people have frozen the schedule. */
  readonly isFrozen: boolean;
}

/** The place of a schedule that has moved on so often and has seen nothing since. */
export const placeAt = (position: number): SchedulePlace => ({
  position,
  firstStep: null,
  correlations: [],
  stayed: 0,
});

/**
 * Returns the place after a round. Every schedule but `correlation` moves on with each round. That one grows by one step
 *
 *     where the mean of the last `rounds` correlations at this interval is at least `threshold`, or after `mostRounds` rounds
 *
 * and not beyond `last`. High correlation says that the prefix which the branches share has decided the reward: the fork is too
 * late, at a noise level too low. Rounds whose correlation is undefined (fewer than two groups arrived, or all rewards are equal)
 * say nothing, but count for `mostRounds`. While people have frozen the schedule, nothing counts; where they shift it,
 * counting starts over at the new interval.
 *
 * Source: B²-DiffuRL (CVPR 2025) grows by the clock; growth by correlation is this program's own.
 */
export function placeAfter(place: SchedulePlace, evidence: RoundEvidence, spec: IntervalSpec): SchedulePlace {
  if (spec.mode !== 'correlation') return placeAt(place.position + 1);
  const { firstStep, correlation, isFrozen } = evidence;
  if (isFrozen || firstStep === null) return place;
  const { position } = place;
  const before = place.firstStep === firstStep ? place : placeAt(position);
  const stayed = before.stayed + 1;
  const measured = correlation === null ? [] : [correlation];
  const correlations = [...before.correlations, ...measured].slice(-spec.rounds);
  const mean = correlations.reduce((sum, value) => sum + value, 0) / correlations.length;
  const isDecided = correlations.length === spec.rounds && mean >= spec.threshold;
  const isDue = spec.mostRounds !== undefined && stayed >= spec.mostRounds;
  if (position < spec.last - spec.first && (isDecided || isDue)) return placeAt(position + 1);
  return { position, firstStep, correlations, stayed };
}

export interface ScheduleGrowthOptions<Round> {
  readonly spec: IntervalSpec;
  /** The place of the first round that comes. */
  readonly start: SchedulePlace;
  readonly evidenceOf: (round: Round) => RoundEvidence;
}

/**
 * Pairs each finished round with the place of the schedule in the next one.
 *
 * ```
 * source  -a--b--c--|      correlations 0.1, 0.5, 0.7; threshold 0.4, rounds 2
 * result  -A--B--C--|      positions 0, 0, 1
 * ```
 *
 * Time: emits at once, once per round. Completes and errs with the source; keeps one place, of at most `rounds` numbers.
 * Errors: those of `evidenceOf`.
 *
 * Example:
 * ```js
 * const spec = { mode: 'correlation', first: 2, last: 4, threshold: 0.4, rounds: 1 };
 * const evidenceOf = (correlation) => ({ firstStep: 0, correlation, isFrozen: false });
 * const result$ = of(0.1, 0.5, null).pipe(
 *   scheduleGrowth({ spec, start: placeAt(0), evidenceOf }),
 *   map(([correlation, { position }]) => [correlation, position]),
 * );
 * // [[0.1, 0], [0.5, 1], [null, 1]]
 * ```
 */
export function scheduleGrowth<Round>({
  spec,
  start,
  evidenceOf,
}: ScheduleGrowthOptions<Round>): OperatorFunction<Round, readonly [Round, SchedulePlace]> {
  return (rounds$) =>
    defer(() => {
      let place = start;
      return rounds$.pipe(
        map((round) => {
          place = placeAfter(place, evidenceOf(round), spec);
          return [round, place] as const;
        }),
      );
    });
}
