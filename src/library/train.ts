import { Observable } from 'rxjs';
import { asTributaryError } from '../errors.js';
import type { ResolvedConfig } from '../streams/config/schema/topology-schema.js';
import type { RunEvent } from '../streams/messages/run-events.js';
import type { TrainOptions } from './run.js';

/**
 * Trains a topology, and says what happens. Each subscription is a run; the run directory holds what `tributary train`
 * writes, so either can resume a run of the other.
 *
 * ```
 * result   s-p---e-g-g-g-g-r-c-g-g-g-g-r-c-...-f|    started, prompts, evaluation, progress, round, checkpoint, finished
 * ```
 *
 * Time: cold; emits as things happen, asynchronously. Completes once the last round is evaluated and everything is written:
 * the `finished` event is the last, unless the run was stopped. Unsubscribing stops the run in order: the rounds in flight are
 * trained and saved, and then the threads, the transport and the lock of the run directory are released, so that nothing
 * keeps the process alive. Buffers nothing for the subscriber.
 *
 * Errors: TributaryErrors alone. TRIB_USAGE where the run directory cannot be used, TRIB_CHECKPOINT where the run to resume
 * is another one, otherwise as the stage that failed; the last checkpoint stays whole.
 */
export function train(topology: ResolvedConfig, options: TrainOptions = {}): Observable<RunEvent> {
  return new Observable((subscriber) => {
    const unsubscribed = new AbortController();
    // Modules of a user's own import this package in every thread that needs one, and shall not load all of it.
    import('./run.js')
      .then(({ run }) => run(topology, options, unsubscribed.signal, (event) => subscriber.next(event)))
      .then(
        () => subscriber.complete(),
        (error: unknown) => subscriber.error(asTributaryError(error)),
      );
    return () => unsubscribed.abort();
  });
}
