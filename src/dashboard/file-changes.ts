import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import { Observable } from 'rxjs';

const INTERVAL_MS = 1000;

/**
 * Emits when a file grows, shrinks, appears or goes. It asks the file system once a second, which works on every volume that
 * can be mounted, and on a file that is not there yet. Unsubscribing ends the asking.
 */
export function fileChanges(path: string): Observable<void> {
  return new Observable((subscriber) => {
    const listener: StatsListener = (now, before) => {
      if (now.size !== before.size || now.mtimeMs !== before.mtimeMs) subscriber.next();
    };
    watchFile(path, { interval: INTERVAL_MS, persistent: false }, listener);
    return () => unwatchFile(path, listener);
  });
}
