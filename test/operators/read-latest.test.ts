import { map, mergeMap, type Observable, take } from 'rxjs';
import { describe, it } from 'vitest';
import { readLatest } from '../../src/operators/read-latest.js';
import { marbles } from './marbles.js';

/** Pairs each source value with the newest broadcast value, waiting for the first one. */
const pairWith = (source$: Observable<string>) => (newest$: Observable<string>) =>
  source$.pipe(
    mergeMap((value) =>
      newest$.pipe(
        take(1),
        map((latest) => `${value}${latest}`),
      ),
    ),
  );

describe('readLatest', () => {
  it('should give late readers the newest value and let early ones wait', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const broadcast$ = cold('  --p----q-----');
      const source$ = cold('     a---b----c--|');
      const expected = '         --x-y----z--|';
      expectObservable(readLatest(broadcast$, pairWith(source$))).toBe(expected, {
        x: 'ap',
        y: 'bp',
        z: 'cq',
      });
      expectSubscriptions(broadcast$.subscriptions).toBe('^-----------!');
    }));

  it('should keep the last value when the broadcast completes', () =>
    marbles(({ cold, expectObservable }) => {
      const broadcast$ = cold('  p-|     ');
      const source$ = cold('     ----b--|');
      const expected = '         ----y--|';
      expectObservable(readLatest(broadcast$, pairWith(source$))).toBe(expected, { y: 'bp' });
    }));

  it('should err with the broadcast even when no reader waits', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const broadcast$ = cold('  p-#     ');
      const source$ = cold('     ----b--|');
      const expected = '         --#     ';
      expectObservable(readLatest(broadcast$, pairWith(source$))).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^-!');
    }));

  it('should not use a broadcast that errs at once', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const broadcast$ = cold('  #');
      const source$ = cold('     a-|');
      expectObservable(readLatest(broadcast$, pairWith(source$))).toBe('#');
      expectSubscriptions(source$.subscriptions).toBe('(^!)');
    }));

  it('should release both when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const broadcast$ = cold('  -p---');
      const source$ = cold('     -----');
      expectObservable(readLatest(broadcast$, pairWith(source$)), '---!').toBe('----');
      expectSubscriptions(broadcast$.subscriptions).toBe('^--!');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
    }));
});
