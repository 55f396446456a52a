import { type Logger, pino } from 'pino';

/** The log of a program without a terminal: JSON lines on standard error, each written before the next thing happens. */
export function createLog(): Logger {
  return pino({ base: null }, pino.destination({ dest: 2, sync: true }));
}
