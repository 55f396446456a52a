import { type Logger, pino } from 'pino';
import type { RunEvent } from '../../streams/messages/run-events.js';
import { visible } from './visible-output.js';

/** How progress is written: for people, or as JSON lines for programs. */
export type LogForm = 'text' | 'json';

/** The log of a program without a terminal: JSON lines on standard error, each written before the next thing happens. */
export function createLog(): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  // JSON escapes the controls that are ASCII, and no others.
  return pino({ base: null }, { write: (line: string) => void destination.write(visible(line)) });
}

/** Prints a warning on standard error. */
export function warn(message: string): void {
  console.error(`warning: ${message}`);
}

/** Prints the warnings of a run, and providers that fall back, for commands that show nothing else of it. */
export function printWarnings(event: RunEvent): void {
  if (event.kind === 'warning') warn(event.message);
  if (event.kind !== 'provider') return;
  for (const fallback of event.fallbacks) {
    warn(`${event.stage}: ${fallback}; it runs on ${event.provider}`);
  }
}
