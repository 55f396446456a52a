import {
  auditTime,
  connect,
  defer,
  endWith,
  filter,
  ignoreElements,
  type OperatorFunction,
  repeat,
  scan,
  takeUntil,
  tap,
} from 'rxjs';
import type { Answer } from '../../../operators/index.js';

/** Long enough that a message which passes is not overlooked. */
const PATIENCE_MS = 10_000;

/**
 * Counts messages of which none passed, one after another.
 *
 * ```
 * answers  d-p-d-f--------|    d dropped, p passed, f failed
 * result   ----------2----|    10 s after the second d
 * ```
 *
 * Time: emits 10 s after the first of them, and again, as far apart, once there are twice as many as it said; a message that
 * passes begins the count anew. Completes and errs with the source. Holds two counts. Unsubscribing releases source and timer.
 */
export function heldBack(): OperatorFunction<Answer<unknown>['kind'], number> {
  return connect((answers$) => {
    const inARow$ = defer(() => {
      let said = 0;
      return answers$.pipe(
        scan((count) => count + 1, 0),
        auditTime(PATIENCE_MS),
        filter((count) => count >= 2 * said),
        tap((count) => {
          said = count;
        }),
      );
    });
    const passed$ = answers$.pipe(filter((kind) => kind === 'passed'));
    // Otherwise the end would wait for the timer.
    const end$ = answers$.pipe(ignoreElements(), endWith(undefined));
    return inARow$.pipe(takeUntil(passed$), repeat(), takeUntil(end$));
  });
}
