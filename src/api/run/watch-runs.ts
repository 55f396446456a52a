import { concatMap, exhaustMap, from, type Observable, share, timer } from 'rxjs';
import type { ServedEvent } from '../../server/event-stream.js';
import type { Runs } from './runs.js';
import { MOST_LINES } from './schemas.js';

/** What a page that watches a run is told. */
export type WatchEvent =
  /** A line of the log is new. */
  | { readonly type: 'metrics'; readonly line: number; readonly entry: unknown }
  /** Another run is the newest, or its log was replaced: all has to be read again. */
  | { readonly type: 'run' };

const INTERVAL_MS = 1000;

/**
 * Emits what is new in the run that was worked on last. It asks the file system once a second, which works on every volume that
 * can be mounted, and where nothing is yet; nothing of before is emitted. Unsubscribing ends the asking.
 */
export function watchRuns(runs: Runs): Observable<WatchEvent & ServedEvent> {
  let watched: { readonly id: string; readonly version: number; readonly next: number } | null = null;
  const look = async (): Promise<WatchEvent[]> => {
    const run = await runs.find();
    if (!run) return [];
    const count = await run.log.count();
    const { id } = run;
    const before = watched;
    const version = run.log.version;
    if (before?.id !== id || before.version !== version) {
      watched = { id, version, next: count };
      return before === null ? [] : [{ type: 'run' }];
    }
    const { lines, next } = await run.log.read(before.next, MOST_LINES);
    watched = { id, version, next };
    return lines.map(({ index, value }) => ({ type: 'metrics', line: index, entry: value }));
  };
  return timer(0, INTERVAL_MS).pipe(
    // A folder that is away for a moment has nothing new.
    exhaustMap(() => look().catch((): WatchEvent[] => [])),
    concatMap((events) => from(events)),
    share(),
  );
}
