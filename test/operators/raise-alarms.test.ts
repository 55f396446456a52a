import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type Guard, raiseAlarms } from '../../src/operators/raise-alarms.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

interface Load {
  readonly load: number | null;
}
const inputs: Record<string, Load> = {
  a: { load: 1 },
  b: { load: 3 },
  c: { load: 4 },
  d: { load: 2 },
  e: { load: 5 },
  n: { load: null },
  u: { load: Number.NaN },
};
const guard: Guard<Load, string> = {
  name: 'load',
  threshold: 2,
  action: 'warn',
  start:
    () =>
    ({ load }) =>
      load,
};
const alarm = (
  letter: keyof typeof inputs,
  of: Guard<Load, string> = guard,
  value = inputs[letter]?.load,
) => ({
  guard: of.name,
  action: of.action,
  value,
  threshold: of.threshold,
  figures: inputs[letter],
});
const outputs = { B: alarm('b'), C: alarm('c'), E: alarm('e') };

describeOperator('raiseAlarms', {
  create: () => raiseAlarms([guard]),
  inputs,
  outputs,
  source: '-a-b--c-d-e-|',
  result: '---B------E-|',
  synchronous: [{ load: 3 }],
});

describe('raiseAlarms', () => {
  it('should raise the first value that is outside, and count the threshold itself as inside', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  b-d-e-|', inputs);
      const expected = '      B---E-|';
      expectObservable(source$.pipe(raiseAlarms([guard]))).toBe(expected, outputs);
    }));

  it('should stay outside, and stay inside, while nothing is measured', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  n-b-n-u-c-d-n-u-e-|', inputs);
      const expected = '      --B-------------E-|';
      expectObservable(source$.pipe(raiseAlarms([guard]))).toBe(expected, outputs);
    }));

  it('should judge every guard by itself, in their order', () =>
    marbles(({ cold, expectObservable }) => {
      const strict = { ...guard, name: 'strict', threshold: 3.5, action: 'stop' };
      const source$ = cold('  -b-c-----a-c----|', inputs);
      const expected = '      -B-S-------(SC)-|';
      const values = { ...outputs, S: alarm('c', strict) };
      expectObservable(source$.pipe(raiseAlarms([strict, guard]))).toBe(expected, values);
    }));

  it('should let a guard remember what it saw, for each subscriber anew', () => {
    const growth: Guard<Load, string> = {
      ...guard,
      start: () => {
        let first: number | null = null;
        return ({ load }) => {
          first ??= load;
          return (load ?? 0) - (first ?? 0);
        };
      },
    };
    const { a, b, e } = inputs as Record<'a' | 'b' | 'e', Load>;
    const alarms$ = of(a, b, e).pipe(raiseAlarms([growth]));
    for (const _ of [1, 2]) {
      const values: number[] = [];
      alarms$.subscribe(({ value }) => values.push(value));
      // 1 - 1, 3 - 1, 5 - 1: only the last one is above 2.
      expect(values).toEqual([4]);
    }
  });

  describe('whose limit depends on the figures', () => {
    interface Limited extends Load {
      readonly threshold: number;
      readonly action?: string;
    }
    const limited: Guard<Limited, string> = {
      ...(guard as Guard<Load, string>),
      limitAt: ({ threshold, action = 'warn' }) => ({ threshold, action }),
    };
    const at = (load: number | null, threshold: number, action = 'warn'): Limited => ({
      load,
      threshold,
      action,
    });
    const alarms = (...figures: Limited[]) => {
      const raised: [number, number, string][] = [];
      of(...figures)
        .pipe(raiseAlarms([limited]))
        .subscribe(({ value, threshold, action }) => raised.push([value, threshold, action]));
      return raised;
    };

    it('should judge by the limit of the moment', () => {
      expect(alarms(at(3, 5), at(3, 2), at(3, 2))).toEqual([[3, 2, 'warn']]);
      expect(alarms(at(3, Number.POSITIVE_INFINITY), at(9, Number.POSITIVE_INFINITY))).toEqual([]);
    });

    it('should tell again what another limit finds outside, also when nothing is measured as it changes', () => {
      expect(alarms(at(3, 2), at(3, 1), at(3, 1))).toEqual([
        [3, 2, 'warn'],
        [3, 1, 'warn'],
      ]);
      expect(alarms(at(3, 2), at(null, 2, 'stop'), at(3, 2, 'stop'))).toEqual([
        [3, 2, 'warn'],
        [3, 2, 'stop'],
      ]);
    });

    it('should remember what it saw while nothing could be outside', () => {
      const sum: Guard<Limited, string> = {
        ...limited,
        start: () => {
          let total = 0;
          return ({ load }) => {
            total += load ?? 0;
            return total;
          };
        },
      };
      const values: number[] = [];
      of(at(3, Number.POSITIVE_INFINITY), at(3, 5))
        .pipe(raiseAlarms([sum]))
        .subscribe(({ value }) => values.push(value));
      expect(values).toEqual([6]);
    });
  });

  it('should be silent without guards', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('e-|', inputs);
      expectObservable(source$.pipe(raiseAlarms([]))).toBe('--|');
      expectSubscriptions(source$.subscriptions).toBe('^-!');
    }));

  it('should err where a guard throws, at its start or later', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const fail = () => {
        throw new Error('no');
      };
      const source$ = cold('-a-b-', inputs);
      expectObservable(source$.pipe(raiseAlarms([{ ...guard, start: () => fail }]))).toBe(
        '-#',
        undefined,
        new Error('no'),
      );
      expectSubscriptions(source$.subscriptions).toBe('^!');
      const never$ = cold('-a', inputs);
      expectObservable(never$.pipe(raiseAlarms([{ ...guard, start: fail }]))).toBe(
        '#',
        undefined,
        new Error('no'),
      );
    }));

  it('should refuse a threshold that is no number, at once', () => {
    expect(() => raiseAlarms([{ ...guard, threshold: Number.NaN }])).toThrow(
      'raiseAlarms load `threshold`: expected a number, got NaN. Pass the largest value that raises no alarm.',
    );
  });
});
