import { map, type Observable, type OperatorFunction, pipe, startWith, withLatestFrom } from 'rxjs';
import { type IntervalScheduleOptions, intervalSchedule, trainingIntervalAt } from './interval-schedule.js';
import type { TrainingInterval } from './records/records.js';

/** How a person steers a schedule. */
export interface ScheduleControl {
  /** Rounds by which the schedule is ahead, or behind where negative. An integer. */
  readonly shift: number;
  /** Position at which the schedule is frozen, whatever the shift; null where it moves. */
  readonly frozenAt: number | null;
}

export interface ControlledScheduleOptions extends IntervalScheduleOptions {
  /** The newest counts. Until the first one the schedule is free. */
  readonly control$: Observable<ScheduleControl>;
}

/** Leaves the schedule alone. */
export const FREE_SCHEDULE: ScheduleControl = { shift: 0, frozenAt: null };

/** Returns the round whose interval a round takes: the frozen one, or its own plus the shift, within 0..K-1. */
export function schedulePositionAt(
  round: number,
  { shift, frozenAt }: ScheduleControl,
  numRounds: number,
): number {
  return Math.min(Math.max(frozenAt ?? round + shift, 0), numRounds - 1);
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
 *     position(k) = frozenAt, else k + shift, within 0..K-1
 *
 * Time: emits at once, and once per round: the control that is newest when a round begins decides, and never changes a
 * round that has begun. Completes with the source, errs with either; keeps one control. Unsubscribing releases both.
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
  return pipe(
    intervalSchedule(schedule),
    withLatestFrom(control$.pipe(startWith(FREE_SCHEDULE))),
    map(([interval, control]) => {
      const { round } = interval;
      const position = schedulePositionAt(round, control, schedule.numRounds);
      if (position === round) return interval;
      return { ...trainingIntervalAt(position, schedule), round };
    }),
  );
}
