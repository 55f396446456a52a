import { lastValueFrom, Observable, tap } from 'rxjs';
import { asTributaryError } from '../errors.js';
import type { ResolvedConfig } from '../streams/config/schema/topology-schema.js';
import { openRunDirectory } from '../streams/directory/run-directory.js';
import type { RunEvent } from '../streams/messages/run-events.js';
import { writeReport } from '../streams/report/write-report.js';
import { runTopology } from '../streams/run/run-topology.js';

export interface TrainOptions {
  /** Where the run is written. Default: `runs/<name of the topology>`. */
  readonly runDirectory?: string;
  /** Whether to go on from the newest checkpoint of the run directory. Default: no, the directory must be new. */
  readonly resume?: boolean;
  /** Whether to take the run from a process that no longer answers. Default: no. */
  readonly takeOver?: boolean;
  /** Aborting stops the run as unsubscribing does, but the stream goes on until what was begun is saved, and completes. */
  readonly signal?: AbortSignal;
}

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
    run(topology, options, unsubscribed.signal, (event) => subscriber.next(event)).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(asTributaryError(error)),
    );
    return () => unsubscribed.abort();
  });
}

async function run(
  config: ResolvedConfig,
  { runDirectory: path, resume = false, takeOver = false, signal }: TrainOptions,
  unsubscribed: AbortSignal,
  say: (event: RunEvent) => void,
): Promise<void> {
  const warn = (message: string) => say({ kind: 'warning', message });
  const runDirectory = await openRunDirectory({ config, path, resume, takeOver, warn });
  const stopping = signal ? AbortSignal.any([signal, unsubscribed]) : unsubscribed;
  try {
    const events$ = runTopology({ runDirectory, signal: stopping }).pipe(tap(say));
    await lastValueFrom(events$, { defaultValue: undefined });
    await writeReport(runDirectory.path, runDirectory.config);
  } finally {
    await runDirectory.release();
  }
}
