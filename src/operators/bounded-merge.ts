import {
  defer,
  ignoreElements,
  merge,
  mergeMap,
  type ObservableInput,
  type OperatorFunction,
  Subject,
  tap,
} from 'rxjs';
import { overflowError } from './checks/faults.js';
import { requireCount } from './checks/option-checks.js';

export interface BoundedMergeOptions<In, Out> {
  /** The operator that an overflow names. */
  readonly operator: string;
  /** Most inner streams that run at once, at least 1. */
  readonly concurrency: number;
  /** Most values that wait for a free place, at least 0. */
  readonly maxQueued: number;
  /** The option that a user raises when the queue overflows. Default `maxQueued`. */
  readonly boundOption?: string;
  readonly project: (value: In) => ObservableInput<Out>;
}

/**
 * Runs an inner stream for each value, at most `concurrency` at once. Like `mergeMap`, but the queue has a bound.
 *
 * ```
 * source  a---b---c-------|        concurrency 1, maxQueued 1
 * a       -----x|
 * b            -----x|
 * c                  -----x|
 * result  -----x----x-----x|
 * ```
 *
 * Time: emits what the inner streams emit; completes when the source and all inner streams have; errs with the first
 * error of either. Buffers at most `maxQueued` values. Unsubscribing releases the source and every inner stream.
 *
 * Errors: TRIB_OVERFLOW when one more value would have to wait; TRIB_OPERATOR for a bound that is not a count.
 *
 * Example:
 * ```js
 * const project = (n) => timer(0).pipe(map(() => 2 * n));
 * const options = { operator: 'double', concurrency: 1, maxQueued: 2, project };
 * const result$ = of(1, 2, 3).pipe(boundedMerge(options));
 * // [2, 4, 6]
 * ```
 */
export function boundedMerge<In, Out>(options: BoundedMergeOptions<In, Out>): OperatorFunction<In, Out> {
  const { operator, concurrency, maxQueued, boundOption = 'maxQueued', project } = options;
  requireCount(operator, 'concurrency', concurrency, 1);
  requireCount(operator, 'maxQueued', maxQueued, 0);
  const bound = `${concurrency} at work and ${maxQueued} waiting`;
  return (source) =>
    defer(() => {
      const queue = new Subject<In>();
      let numWaiting = 0;
      const results$ = queue.pipe(
        mergeMap((value) => {
          numWaiting -= 1;
          return project(value);
        }, concurrency),
      );
      const intake$ = source.pipe(
        tap({
          next: (value) => {
            numWaiting += 1;
            queue.next(value); // starts at once, and so leaves the queue, when a place is free
            if (numWaiting > maxQueued) throw overflowError(`${operator} queue`, bound, boundOption);
          },
          complete: () => queue.complete(),
        }),
        ignoreElements(),
      );
      return merge(results$, intake$);
    });
}
