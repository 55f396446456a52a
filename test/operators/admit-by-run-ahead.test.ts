import fc from 'fast-check';
import { EMPTY, NEVER, of, Subject, take } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { admitByRunAhead } from '../../src/operators/admit-by-run-ahead.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

describeOperator('admitByRunAhead', {
  create: () => admitByRunAhead({ runAhead: 2, tickets: 'abcde' }),
  inputs: { x: 1, y: 3 },
  outputs: { a: 'a', b: 'b', c: 'c', d: 'd', e: 'e' },
  source: '----x-y---|',
  result: '(ab)c-(de)|',
  synchronous: [0],
  early: '(ab)',
  whenEmpty: '(ab|)',
  whenNever: '(ab)',
});

/** Tickets 0, 1, 2, ... that remember how many were pulled and whether the iterator was closed. */
function countedTickets(length: number) {
  const log = { pulled: 0, isClosed: false };
  const tickets = {
    *[Symbol.iterator]() {
      try {
        for (; log.pulled < length; ) {
          log.pulled += 1;
          yield log.pulled - 1;
        }
      } finally {
        log.isClosed = true;
      }
    },
  };
  return { log, tickets };
}

describe('admitByRunAhead', () => {
  it('should complete when there is room and no ticket, though groups are in flight', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const finished$ = cold('----1--3--4--5', { 1: 1, 3: 3, 4: 4, 5: 5 });
      const subscriptions = ' ^------!      ';
      const expected = '      (ab)c--(d|)   ';
      expectObservable(finished$.pipe(admitByRunAhead({ runAhead: 2, tickets: 'abcd' }))).toBe(expected);
      expectSubscriptions(finished$.subscriptions).toBe(subscriptions);
    }));

  it('should ignore a count that falls back', () =>
    marbles(({ cold, expectObservable }) => {
      const finished$ = cold('----2---1--2--3-', { 1: 1, 2: 2, 3: 3 });
      const expected = '      (ab)(cd)------e-';
      expectObservable(finished$.pipe(admitByRunAhead({ runAhead: 2, tickets: 'abcdefg' }))).toBe(expected);
    }));

  it('should start its counters where a resumed run stands', () =>
    marbles(({ cold, expectObservable }) => {
      const finished$ = cold('----8---9-', { 8: 8, 9: 9 });
      const expected = '      (ab)----c-';
      const options = { runAhead: 2, tickets: 'abcdefg', initiallyFinished: 8 };
      expectObservable(finished$.pipe(admitByRunAhead(options))).toBe(expected);
    }));

  it('should err when more groups have finished than were issued', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const finished$ = cold('----3--', { 3: 3 });
      const subscriptions = ' ^---!  ';
      const expected = '      (ab)#  ';
      const result$ = finished$.pipe(admitByRunAhead({ runAhead: 2, tickets: 'abcd' }));
      expectObservable(result$).toBe(expected, undefined, { code: 'TRIB_OPERATOR' });
      expectSubscriptions(finished$.subscriptions).toBe(subscriptions);
    }));

  it('should pass over the tickets of groups that finished before they were issued', () =>
    marbles(({ cold, expectObservable }) => {
      const finished$ = cold('----4---8--|', { 4: 4, 8: 8 });
      const expected = '      (ab)(ef)(i|)';
      const options = { runAhead: 2, tickets: 'abcdefghi', skipsFinished: true };
      expectObservable(finished$.pipe(admitByRunAhead(options))).toBe(expected);
    }));

  it('should pull no ticket before there is room', () => {
    const { log, tickets } = countedTickets(10);
    const finished$ = new Subject<number>();
    finished$.pipe(admitByRunAhead({ runAhead: 3, tickets })).subscribe();
    expect(log.pulled).toBe(3);
    finished$.next(1);
    expect(log.pulled).toBe(4);
  });

  it('should close the iterator when unsubscribed', () => {
    const { log, tickets } = countedTickets(10);
    NEVER.pipe(admitByRunAhead({ runAhead: 3, tickets }), take(1)).subscribe();
    expect(log).toEqual({ pulled: 1, isClosed: true });
  });

  it('should close the iterator when the source completes', () => {
    const { log, tickets } = countedTickets(10);
    EMPTY.pipe(admitByRunAhead({ runAhead: 3, tickets })).subscribe();
    expect(log).toEqual({ pulled: 3, isClosed: true });
  });

  it('should send a fault of the iterator to the error channel and not close it again', () => {
    let numReturns = 0;
    const tickets = {
      [Symbol.iterator]: () => ({
        next: () => {
          throw new Error('no prompts');
        },
        return: () => {
          numReturns += 1;
          return { done: true as const, value: undefined };
        },
      }),
    };
    let fault: unknown;
    of(0)
      .pipe(admitByRunAhead({ runAhead: 1, tickets }))
      .subscribe({ error: (error: unknown) => (fault = error) });
    expect(fault).toEqual(new Error('no prompts'));
    expect(numReturns).toBe(0);
  });

  it('should issue all tickets in order, never more than runAhead at once, when progress comes from inside next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 40 }), (runAhead, numTickets) => {
        const { tickets } = countedTickets(numTickets);
        const finished$ = new Subject<number>();
        const issued: number[] = [];
        let isComplete = false;
        finished$.pipe(admitByRunAhead({ runAhead, tickets })).subscribe({
          next: (ticket) => {
            issued.push(ticket);
            finished$.next(issued.length);
          },
          complete: () => (isComplete = true),
        });
        expect(issued).toEqual(Array.from({ length: numTickets }, (_, index) => index));
        expect(isComplete).toBe(true);
      }),
    );
  });

  it('should not fall behind when an old count comes from inside next', () => {
    const finished$ = new Subject<number>();
    const issued: string[] = [];
    finished$.pipe(admitByRunAhead({ runAhead: 2, tickets: 'abcdef' })).subscribe((ticket) => {
      issued.push(ticket);
      if (ticket === 'c') finished$.next(1);
    });
    finished$.next(2);
    expect(issued.join('')).toBe('abcd');
  });

  it('should issue many tickets at once without growing the stack', () => {
    const { tickets } = countedTickets(20_000);
    const finished$ = new Subject<number>();
    let numIssued = 0;
    finished$.pipe(admitByRunAhead({ runAhead: 1, tickets })).subscribe(() => {
      numIssued += 1;
      finished$.next(numIssued);
    });
    expect(numIssued).toBe(20_000);
  });

  it.each([0, -1, 1.5, Number.NaN])('should refuse a runAhead of %s', (runAhead) => {
    expect(() => admitByRunAhead({ runAhead, tickets: [] })).toThrow(
      /`runAhead`: expected an integer of at least 1/,
    );
  });
});
