import { lastValueFrom, tap } from 'rxjs';
import { peopleServer } from '../api/serve-people.js';
import type { ResolvedConfig } from '../streams/config/schema/topology-schema.js';
import { openRunDirectory } from '../streams/directory/run-directory.js';
import type { Say } from '../streams/messages/run-events.js';
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

/** Runs a topology to its end, or until one of the signals stops it, and releases all that it has opened. */
export async function run(
  config: ResolvedConfig,
  { runDirectory: path, resume = false, takeOver = false, signal }: TrainOptions,
  unsubscribed: AbortSignal,
  say: Say,
): Promise<void> {
  const warn = (message: string) => say({ kind: 'warning', message });
  const runDirectory = await openRunDirectory({ config, path, resume, takeOver, warn });
  const stopping = signal ? AbortSignal.any([signal, unsubscribed]) : unsubscribed;
  try {
    const people = peopleServer();
    const events$ = runTopology({ runDirectory, signal: stopping, serveDesk: people.serveDesk }).pipe(
      tap((event) => {
        say(event);
        people.note(event);
      }),
    );
    await lastValueFrom(events$, { defaultValue: undefined });
    await writeReport(runDirectory.path, runDirectory.config);
  } finally {
    await runDirectory.release();
  }
}
