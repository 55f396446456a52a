import { defer, finalize, from, type Observable } from 'rxjs';

/** Runs work once a subscription. Its signal is aborted with `outer`, and when the stream is left before the work is done. */
export function cancellable<Out>(
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<Out>,
): Observable<Out> {
  return defer(() => {
    const controller = new AbortController();
    const abort = () => controller.abort();
    if (outer.aborted) abort();
    outer.addEventListener('abort', abort, { once: true });
    return from(work(controller.signal)).pipe(
      finalize(() => {
        outer.removeEventListener('abort', abort);
        abort();
      }),
    );
  });
}
