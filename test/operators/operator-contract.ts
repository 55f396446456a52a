import { EMPTY, mergeMap, Observable, type OperatorFunction, of, take, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type MarbleHelpers, marbles } from './marbles.js';

export interface OperatorCase<In, Out> {
  /** A fresh operator in its plainest setting. */
  readonly create: (helpers: MarbleHelpers) => OperatorFunction<In, Out>;
  readonly inputs: Record<string, In>;
  readonly outputs: Record<string, Out>;
  /** A source (cold) and what comes of it; both in the letters of `inputs` and `outputs`. */
  readonly source: string;
  readonly result: string;
  /** Inputs that, given at once, produce at least one output at once. */
  readonly synchronous: readonly In[];
  /** What an operator that emits at subscription does with an empty, a silent and a failing source. */
  readonly whenEmpty?: string;
  readonly whenNever?: string;
  readonly whenError?: string;
  /** What has come of the source by column 2; default: the first columns of `result`. */
  readonly early?: string;
}

/** The cases that hold for every operator. */
export function describeOperator<In, Out>(name: string, operator: OperatorCase<In, Out>): void {
  const { create, inputs, outputs, source, result, synchronous } = operator;
  const { whenEmpty = '|', whenNever = '-', whenError = '#' } = operator;
  const { early = result.slice(0, 3).replace(/[|#]/g, '-') } = operator;
  const end = source.length - 1;

  describe(`${name}, as every operator`, () => {
    it('should transform a source and release it when it completes', () =>
      marbles((helpers) => {
        const input$ = helpers.cold(source, inputs);
        helpers.expectObservable(input$.pipe(create(helpers))).toBe(result, outputs);
        helpers.expectSubscriptions(input$.subscriptions).toBe(`^${'-'.repeat(end - 1)}!`);
      }));

    it('should complete with an empty source', () =>
      marbles((helpers) => {
        helpers.expectObservable(EMPTY.pipe(create(helpers))).toBe(whenEmpty, outputs);
      }));

    it('should stay subscribed to a source that never emits', () =>
      marbles((helpers) => {
        const input$ = helpers.cold<In>('-');
        helpers.expectObservable(input$.pipe(create(helpers))).toBe(whenNever, outputs);
        helpers.expectSubscriptions(input$.subscriptions).toBe('^');
      }));

    it('should err with the source', () =>
      marbles((helpers) => {
        const failing$ = throwError(() => 'error');
        helpers.expectObservable(failing$.pipe(create(helpers))).toBe(whenError, outputs);
      }));

    it('should release the source when unsubscribed early', () =>
      marbles((helpers) => {
        const input$ = helpers.cold(source, inputs);
        helpers.expectObservable(input$.pipe(create(helpers)), '--!').toBe(early, outputs);
        helpers.expectSubscriptions(input$.subscriptions).toBe('^-!');
      }));

    it('should keep the unsubscription chain when operators stand around it', () =>
      marbles((helpers) => {
        const input$ = helpers.cold(source, inputs);
        const chained$ = input$.pipe(
          mergeMap((value) => of(value)),
          create(helpers),
          mergeMap((value) => of(value)),
        );
        helpers.expectObservable(chained$, '--!').toBe(early, outputs);
        helpers.expectSubscriptions(input$.subscriptions).toBe('^-!');
      }));

    it('should stop a synchronous source when unsubscribed', () =>
      marbles((helpers) => {
        let isStopped = false;
        const endless$ = new Observable<In>((subscriber) => {
          for (const value of synchronous) subscriber.next(value);
          isStopped = subscriber.closed;
        });
        endless$.pipe(create(helpers), take(1)).subscribe();
        expect(isStopped).toBe(true);
      }));

    it('should start fresh for a second subscriber', () =>
      marbles((helpers) => {
        const result$ = helpers.cold(source, inputs).pipe(create(helpers));
        helpers.expectObservable(result$).toBe(result, outputs);
        helpers.expectObservable(result$).toBe(result, outputs);
      }));
  });
}
