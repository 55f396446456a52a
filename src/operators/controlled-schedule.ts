import { map, type Observable, type OperatorFunction, pipe, startWith, withLatestFrom } from 'rxjs';
import { type IntervalScheduleOptions, intervalSchedule, trainingIntervalAt } from './interval-schedule.js';
import type { TrainingInterval } from './records/records.js';

/** What an operator wants of a schedule. */
export interface ScheduleControl {
  /** Rounds that the schedule is ahead of where it would be; negative: behind. An integer. */
  readonly shift: number;
  /** Position at which the schedule stands still, whatever the shift; null: it moves. */
  readonly frozenAt: number | null;
}

export interface ControlledScheduleOptions extends IntervalScheduleOptions {
  /** The newest counts; until the first one the schedule is left alone. */
  readonly control$: Observable<ScheduleControl>;
}

/** A schedule that is left alone. */
export const FREE_SCHEDULE: ScheduleControl = { shift: 0, frozenAt: null };

/** Returns the round whose interval a round is given: the frozen one, or its own with the shift, within 0..K-1. */
export function schedulePositionAt(
  round: number,
  { shift, frozenAt }: ScheduleControl,
  numRounds: number,
): number {
  return Math.min(Math.max(frozenAt ?? round + shift, 0), numRounds - 1);
}

/**
 * Maps the round that begins to its interval, which an operator may hold, advance or rewind. Like
 * `intervalSchedule`, but the steps are those of another position in the schedule; the interval keeps its round.
 *
 * ```
 * control  ----f-----u--r----|      f frozen at 1, u free, r one behind
 * source   -0---1--2--3---4--|
 * result   -a---b--B--d---D--|      steps of positions 0, 1, 1, 3, 3
 * ```
 *
 *     position(k) = frozenAt, else k + shift, within 0..K-1
 *
 * Time: emits at once, and once a round: control decides when a round begins, and never changes one that has begun.
 * Completes with the source, errs with either; keeps one control. Unsubscribing releases both.
 * Errors: as `intervalSchedule`.
 *
 * Example:
 * ```js
 * const spec = { mode: 'list', phases: [1, 2] };
 * const control$ = of({ shift: 0, frozenAt: 0 });
 * const result$ = of(0, 1).pipe(
 *   controlledSchedule({ spec, numInferenceSteps: 4, numRounds: 2, control$ }),
 *   map(({ round, trainedSteps }) => ({ round, trainedSteps })),
 * );
 * // [{ round: 0, trainedSteps: [3] }, { round: 1, trainedSteps: [3] }]
 * ```
 */
export function controlledSchedule({
  control$,
  ...schedule
}: ControlledScheduleOptions): OperatorFunction<number, TrainingInterval> {
  const { spec, numInferenceSteps, numRounds, noisySteps } = schedule;
  return pipe(
    intervalSchedule(schedule),
    withLatestFrom(control$.pipe(startWith(FREE_SCHEDULE))),
    map(([interval, control]) => {
      const { round } = interval;
      const position = schedulePositionAt(round, control, numRounds);
      if (position === round) return interval;
      const other = trainingIntervalAt(spec, position, numInferenceSteps, numRounds, noisySteps);
      return { ...other, round };
    }),
  );
}
