import { Observable, ReplaySubject } from 'rxjs';

/**
 * Subscribes once to a broadcast and gives its newest value to every reader inside `use`, however late it subscribes.
 * Like `withLatestFrom`, but a reader can wait for the first value, or for the one that it needs.
 *
 * ```
 * broadcast  --a-----b----
 * reader 1   ^-a-----b----
 * reader 2        ^a-b----    subscribes at column 5 and gets the newest
 * ```
 *
 * Time: emits and completes as `use` does; errs when the broadcast errs; when the broadcast completes, readers get its
 * last value and then complete. Keeps one value. Unsubscribing releases the broadcast.
 *
 * Example:
 * ```js
 * const lateReader = (newest$) => timer(0).pipe(switchMap(() => newest$));
 * const result$ = readLatest(of('a', 'b'), lateReader);
 * // ['b']
 * ```
 */
export function readLatest<T, R>(
  broadcast$: Observable<T>,
  use: (newest$: Observable<T>) => Observable<R>,
): Observable<R> {
  return new Observable<R>((subscriber) => {
    const newest$ = new ReplaySubject<T>(1);
    subscriber.add(
      broadcast$.subscribe({
        next: (value) => newest$.next(value),
        error: (error: unknown) => subscriber.error(error),
        complete: () => newest$.complete(),
      }),
    );
    if (!subscriber.closed) use(newest$).subscribe(subscriber);
  });
}
