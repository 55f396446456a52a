import {
  distinctUntilKeyChanged,
  map,
  type Observable,
  type OperatorFunction,
  pipe,
  startWith,
  withLatestFrom,
} from 'rxjs';
import { type IntervalScheduleOptions, intervalSchedule, trainingIntervalAt } from './interval-schedule.js';
import type { TrainingInterval } from './records/records.js';

/** How a person steers a schedule. */
export interface ScheduleControl {
  /** Rounds by which the schedule is ahead, or behind where negative. An integer. */
  readonly shift: number;
  /** Position at which the schedule is frozen, whatever the shift; null where it moves. */
  readonly frozenAt: number | null;
}

/** A round that begins. */
export interface BegunRound {
  readonly round: number;
  /** Where the schedule is by itself: the round, unless evidence moves it. */
  readonly position: number;
}

export interface ControlledScheduleOptions extends IntervalScheduleOptions {
  /** The newest counts. Until the first one the schedule is free. */
  readonly control$: Observable<ScheduleControl>;
}

/** Leaves the schedule alone. */
export const FREE_SCHEDULE: ScheduleControl = { shift: 0, frozenAt: null };

/** Positions of a schedule, 0..n-1: one a round, or one a size of an interval that evidence lets grow. */
export function numPositions({
  spec,
  numRounds,
}: Pick<IntervalScheduleOptions, 'spec' | 'numRounds'>): number {
  return spec.mode === 'correlation' ? Math.min(spec.last - spec.first + 1, numRounds) : numRounds;
}

/** Returns the position whose interval a round takes: the frozen one, or its own plus the shift, within 0..n-1. */
export function schedulePositionAt(
  position: number,
  { shift, frozenAt }: ScheduleControl,
  count: number,
): number {
  return Math.min(Math.max(frozenAt ?? position + shift, 0), count - 1);
}

/**
 * Maps the round that begins to its interval, which a person may freeze, advance or rewind. Like `intervalSchedule`,
 * but the steps may be those of another position in the schedule; the interval keeps its round.
 *
 * ```
 * control  ----f-----u--r----|      f frozen at 1, u free, r one behind
 * source   -0---1--2--3---4--|
 * result   -a---b--B--d---D--|      steps of positions 0, 1, 1, 3, 3
 * ```
 *
 *     position(k) = frozenAt, else its own (k, unless evidence moves it) + shift, within 0..n-1
 *
 * Time: emits at once, and once per round: the control that is newest when a round begins decides, and never changes a
 * round that has begun. Completes with the source, errs with either; keeps one control. Unsubscribing releases both.
 * Errors: as `intervalSchedule`.
 *
 * Example:
 * ```js
 * const spec = { mode: 'list', phases: [1, 2] };
 * const control$ = of({ shift: 0, frozenAt: 0 });
 * const result$ = from([0, 1]).pipe(
 *   map((round) => ({ round, position: round })),
 *   controlledSchedule({ spec, numInferenceSteps: 4, numRounds: 2, control$ }),
 *   map(({ round, trainedSteps }) => ({ round, trainedSteps })),
 * );
 * // [{ round: 0, trainedSteps: [3] }, { round: 1, trainedSteps: [3] }]
 * ```
 */
export function controlledSchedule({
  control$,
  ...schedule
}: ControlledScheduleOptions): OperatorFunction<BegunRound, TrainingInterval> {
  // Checks every interval now.
  intervalSchedule(schedule);
  const count = numPositions(schedule);
  return pipe(
    distinctUntilKeyChanged('round'),
    withLatestFrom(control$.pipe(startWith(FREE_SCHEDULE))),
    map(([{ round, position }, control]) => {
      const interval = trainingIntervalAt(round, schedule);
      const wanted = schedulePositionAt(position, control, count);
      return wanted === round ? interval : { ...trainingIntervalAt(wanted, schedule), round };
    }),
  );
}
