import { ignoreElements, Observable, type OperatorFunction, tap } from 'rxjs';
import { TributaryError } from '../errors.js';
import { requireCount } from './checks/option-checks.js';

export interface AdmitByRunAheadOptions<Ticket> {
  /** Most groups in flight: issued and not yet finished. At least 1. */
  readonly runAhead: number;
  /** One per group, in order. Pulled one at a time, once there is room; closed when the stream ends early. */
  readonly tickets: Iterable<Ticket>;
  /** Where both counters start (a resumed run); `tickets` then begins with the next ticket. Default 0. */
  readonly initiallyFinished?: number;
  /**
   * Whether groups may finish before they are issued, as when rounds close by time: their tickets are skipped.
   * Default: no, more finished groups than issued ones are a miscount.
   */
  readonly skipsFinished?: boolean;
}

/**
 * Issues tickets while `issued - finished < runAhead`; the source says how many groups have finished so far.
 *
 * ```
 * source  ----1--3----      runAhead 2, tickets abcd
 * result  (ab)c--d---       completes when there is room after d and no ticket left
 *
 * source  ----1--4---       runAhead 2, tickets abcdef, skipsFinished
 * result  (ab)c--(ef)       d is finished before it was issued
 * ```
 *
 * Time: issues `runAhead` tickets at subscription and one for each group that finishes. A count that is lower than
 * the one before (a redelivered one) is ignored. Completes when there is room and no ticket is left, even while issued ones are in
 * flight, so that batches downstream can close; or when the source completes. Errs with the source or the iterator.
 * Buffers nothing. Unsubscribing closes the iterator. A consumer may report progress from inside `next`.
 *
 * Errors: TRIB_OPERATOR when a count is not an integer, or, unless `skipsFinished`, when more groups have finished
 * than were issued.
 *
 * Example:
 * ```js
 * const finished$ = timer(0).pipe(map(() => 1));
 * const result$ = finished$.pipe(admitByRunAhead({ runAhead: 2, tickets: ['a', 'b', 'c', 'd'] }));
 * // ['a', 'b', 'c']
 * ```
 */
export function admitByRunAhead<Ticket>(
  options: AdmitByRunAheadOptions<Ticket>,
): OperatorFunction<number, Ticket> {
  const { runAhead, tickets, initiallyFinished = 0, skipsFinished = false } = options;
  requireCount('admitByRunAhead', 'runAhead', runAhead, 1);
  requireCount('admitByRunAhead', 'initiallyFinished', initiallyFinished, 0);
  return (finished$) =>
    new Observable<Ticket>((subscriber) => {
      const iterator = tickets[Symbol.iterator]();
      let numTaken = initiallyFinished; // issued or skipped
      let numFinished = initiallyFinished;
      let isIssuing = false;
      let isExhausted = false;
      subscriber.add(() => {
        if (!isExhausted) iterator.return?.();
      });
      const issue = () => {
        if (isIssuing) return; // progress from inside `next`: the loop below sees it
        isIssuing = true;
        while (!subscriber.closed && !isExhausted && numTaken - numFinished < runAhead) {
          isExhausted = true; // stays so when the iterator throws: a failed iterator must not be closed again
          const ticket = iterator.next();
          isExhausted = ticket.done === true;
          if (ticket.done) break;
          numTaken += 1;
          if (numTaken > numFinished) subscriber.next(ticket.value);
        }
        isIssuing = false;
        if (isExhausted) subscriber.complete();
      };
      const count = (finished: number) => {
        const most = skipsFinished ? Number.POSITIVE_INFINITY : numTaken;
        if (!Number.isInteger(finished) || finished > most) throw miscount(finished, numTaken);
        numFinished = Math.max(numFinished, finished);
        issue();
      };
      // The source first: what the first tickets cause may already be progress.
      finished$.pipe(tap({ next: count, complete: issue }), ignoreElements()).subscribe(subscriber);
      issue();
    });
}

function miscount(finished: number, numIssued: number): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `admitByRunAhead progress: expected at most the ${numIssued} groups issued, got ${finished}. Pass the count of the checkpoint as \`initiallyFinished\`.`,
  );
}
