import { type Logger, pino } from 'pino';
import { visible } from './visible-output.js';

/** The log of a program without a terminal: JSON lines on standard error, each written before the next thing happens. */
export function createLog(): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  // JSON escapes the controls that are ASCII, and no others.
  return pino({ base: null }, { write: (line: string) => void destination.write(visible(line)) });
}
