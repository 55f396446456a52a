import { NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  controlledSchedule,
  type ScheduleControl,
  schedulePositionAt,
} from '../../src/operators/controlled-schedule.js';
import { type IntervalSpec, intervalSchedule } from '../../src/operators/interval-schedule.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const NUM_STAGES = 6;
const spec = { mode: 'floor-linear', first: 5, last: 10 } as const;
const schedule = { spec, numInferenceSteps: 10, numRounds: NUM_STAGES };
/** The interval of a round with the steps of a position. */
const at = (round: number, position = round) => {
  const firstStep = 5 - position;
  const trainedSteps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].slice(firstStep);
  return { round, firstStep, numSteps: 10, trainedSteps };
};
const control = (shift: number, frozenAt: number | null = null): ScheduleControl => ({ shift, frozenAt });
const rounds = { a: 0, b: 1, c: 2, d: 3, e: 4, f: 5 };

describeOperator('controlledSchedule', {
  create: () => controlledSchedule({ ...schedule, control$: NEVER }),
  inputs: rounds,
  outputs: { x: at(0), y: at(1), z: at(2) },
  source: '-a--b-c-|',
  result: '-x--y-z-|',
  synchronous: [0],
});

describe('controlledSchedule', () => {
  const controls = { f: control(0, 1), u: control(0), r: control(-1), p: control(2) };

  it('should stand still while it is frozen, go on where it would be, and fall behind when it is rewound', () =>
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = cold('   -a---b--c--d---e--|', rounds);
      const control$ = hot('   ----f-----u--r----|', controls);
      const subscriptions = '  ^-----------------!';
      const expected = '       -a---b--B--d---D--|';
      expectObservable(source$.pipe(controlledSchedule({ ...schedule, control$ }))).toBe(expected, {
        a: at(0),
        b: at(1),
        B: at(2, 1),
        d: at(3),
        D: at(4, 3),
      });
      expectSubscriptions(source$.subscriptions).toBe(subscriptions);
      expectSubscriptions(control$.subscriptions).toBe(subscriptions);
    }));

  it('should change no round that has begun, and take the newest of several controls', () =>
    marbles(({ cold, hot, expectObservable }) => {
      const source$ = cold('   -a----a--b-|', rounds);
      const control$ = hot('   --p-f-p----|', controls);
      const expected = '       -a-------B-|';
      expectObservable(source$.pipe(controlledSchedule({ ...schedule, control$ }))).toBe(expected, {
        a: at(0),
        B: at(1, 3),
      });
    }));

  it('should take a control that is there from the start, and keep it when there will be no other', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('   -a-b-|', rounds);
      const expected = '       -A-B-|';
      expectObservable(source$.pipe(controlledSchedule({ ...schedule, control$: of(control(9, 2)) }))).toBe(
        expected,
        { A: at(0, 2), B: at(1, 2) },
      );
    }));

  it('should stay within the schedule', () =>
    marbles(({ cold, expectObservable }) => {
      const far = (shift: number) => controlledSchedule({ ...schedule, control$: of(control(shift)) });
      expectObservable(cold('ab|', rounds).pipe(far(-9))).toBe('AB|', { A: at(0), B: at(1, 0) });
      expectObservable(cold('ab|', rounds).pipe(far(9))).toBe('AB|', { A: at(0, 5), B: at(1, 5) });
    }));

  it('should err with the control, and release the source', () =>
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = cold('   -a---b-|', rounds);
      const control$ = hot<ScheduleControl>('---#');
      const subscriptions = '  ^--!    ';
      const expected = '       -a-#    ';
      expectObservable(source$.pipe(controlledSchedule({ ...schedule, control$ }))).toBe(expected, {
        a: at(0),
      });
      expectSubscriptions(source$.subscriptions).toBe(subscriptions);
    }));

  it('should give without control what `intervalSchedule` gives, to the byte', () => {
    const specs: IntervalSpec[] = [
      spec,
      { mode: 'sparse', phases: [2, 4] },
      { mode: 'window', length: 3, everyRounds: 2 },
      { mode: 'function', steps: (round) => round + 1 },
    ];
    for (const one of specs) {
      const written = (operator: ReturnType<typeof intervalSchedule>) => {
        const lines: string[] = [];
        of(0, 1, 1, 2, 3, 4, 5)
          .pipe(operator)
          .subscribe((interval) => lines.push(JSON.stringify(interval)));
        return lines;
      };
      const options = { ...schedule, spec: one };
      expect(written(controlledSchedule({ ...options, control$: NEVER }))).toEqual(
        written(intervalSchedule(options)),
      );
    }
  });

  it('should refuse what `intervalSchedule` refuses: a spec at once, a round outside the run when it comes', () => {
    const list = { mode: 'list', phases: [4, 11] } as const;
    expect(() => controlledSchedule({ ...schedule, spec: list, control$: NEVER })).toThrow(/got 11/);
    const stage$ = new Subject<number>();
    let fault: unknown;
    stage$.pipe(controlledSchedule({ ...schedule, control$: of(control(-3)) })).subscribe({
      error: (error: unknown) => {
        fault = error;
      },
    });
    stage$.next(NUM_STAGES);
    expect(fault).toMatchObject({ code: 'TRIB_OPERATOR' });
  });

  it('should not subscribe to a source whose control fails at once', () => {
    let isSubscribed = false;
    const control$ = throwError(() => new Error('no'));
    const source$ = new Subject<number>();
    source$.pipe(controlledSchedule({ ...schedule, control$ })).subscribe({
      error: () => {
        isSubscribed = source$.observed;
      },
    });
    expect([isSubscribed, source$.observed]).toEqual([false, false]);
  });
});

describe('schedulePositionAt', () => {
  it.each([
    [3, control(0), 3],
    [3, control(2), 5],
    [3, control(3), 5],
    [3, control(-4), 0],
    [3, control(2, 0), 0],
    [3, control(0, 99), 5],
  ])('should place round %i under %o at %i', (round, wanted, position) => {
    expect(schedulePositionAt(round, wanted, NUM_STAGES)).toBe(position);
  });
});
