import { map, NEVER, of, Subject, throwError, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  controlledSchedule,
  type ScheduleControl,
  schedulePositionAt,
} from '../../src/operators/controlled-schedule.js';
import { type IntervalSpec, intervalSchedule } from '../../src/operators/interval-schedule.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const NUM_ROUNDS = 6;
const spec = { mode: 'floor-linear', first: 5, last: 10 } as const;
const schedule = { spec, numInferenceSteps: 10, numRounds: NUM_ROUNDS };
/** The interval of a round with the steps of a position. */
const at = (round: number, position = round) => {
  const firstStep = 5 - position;
  const trainedSteps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].slice(firstStep);
  return { round, firstStep, numSteps: 10, trainedSteps };
};
const control = (shift: number, frozenAt: number | null = null): ScheduleControl => ({ shift, frozenAt });
/** Positions follow the rounds. */
const begun = (round: number) => ({ round, position: round });
const rounds = { a: begun(0), b: begun(1), c: begun(2), d: begun(3), e: begun(4), f: begun(5) };

describeOperator('controlledSchedule', {
  create: () => controlledSchedule({ ...schedule, control$: NEVER }),
  inputs: rounds,
  outputs: { x: at(0), y: at(1), z: at(2) },
  source: '-a--b-c-|',
  result: '-x--y-z-|',
  synchronous: [begun(0)],
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

  it('should follow a schedule that evidence moves, shift it by its own steps, and stay within it', () =>
    marbles(({ cold, hot, expectObservable }) => {
      const source$ = cold('   -a---b---c---d---|', {
        a: { round: 0, position: 0 },
        b: { round: 1, position: 0 },
        c: { round: 2, position: 1 },
        d: { round: 3, position: 1 },
      });
      const control$ = hot('   -------p---------|', controls);
      const expected = '       -a---b---C---D---|';
      const grows = { mode: 'correlation', first: 5, last: 7, threshold: 0.3, rounds: 2 } as const;
      expectObservable(source$.pipe(controlledSchedule({ ...schedule, spec: grows, control$ }))).toBe(
        expected,
        {
          a: at(0),
          b: at(1, 0),
          C: at(2, 2),
          D: at(3, 2),
        },
      );
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
      const options = { ...schedule, spec: one };
      const rounds$ = of(0, 1, 1, 2, 3, 4, 5);
      const written: string[][] = [];
      for (const intervals$ of [
        rounds$.pipe(map(begun), controlledSchedule({ ...options, control$: NEVER })),
        rounds$.pipe(intervalSchedule(options)),
      ])
        intervals$
          .pipe(toArray())
          .subscribe((intervals) => written.push(intervals.map((i) => JSON.stringify(i))));
      expect(written[0]).toEqual(written[1]);
    }
  });

  it('should refuse what `intervalSchedule` refuses: a spec at once, a round outside the run when it comes', () => {
    const list = { mode: 'list', phases: [4, 11] } as const;
    expect(() => controlledSchedule({ ...schedule, spec: list, control$: NEVER })).toThrow(/got 11/);
    const stage$ = new Subject<{ round: number; position: number }>();
    let fault: unknown;
    stage$.pipe(controlledSchedule({ ...schedule, control$: of(control(-3)) })).subscribe({
      error: (error: unknown) => {
        fault = error;
      },
    });
    stage$.next(begun(NUM_ROUNDS));
    expect(fault).toMatchObject({ code: 'TRIB_OPERATOR' });
  });

  it('should not subscribe to a source whose control fails at once', () => {
    let isSubscribed = false;
    const control$ = throwError(() => new Error('no'));
    const source$ = new Subject<{ round: number; position: number }>();
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
    expect(schedulePositionAt(round, wanted, NUM_ROUNDS)).toBe(position);
  });
});
