import { setTimeout as wait } from 'node:timers/promises';
import { TributaryError } from '../../../errors.js';
import type { LogDriver } from './log-driver.js';

interface SeatOptions {
  readonly driver: LogDriver;
  /** The consumer group whose only member holds the seat. */
  readonly seat: string;
  /** Who takes it, for messages. */
  readonly holder: string;
  /** Any existing topic; only membership counts. */
  readonly topic: string;
  readonly warn: (message: string) => void;
  /** Default: the clock's. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

const PAUSE_MS = 1000;
/** A process that was killed is a member for up to ten seconds more. */
const PAUSES = 15;

/**
 * Takes a seat that one process at a time may have, until the driver is closed. Two that come at the same moment may both get
 * it; between trainers the exclusive writer decides.
 *
 * Time: waits up to 15 seconds for a seat whose holder has died.
 *
 * Errors: TRIB_USAGE with the holder's name if the seat is taken.
 */
export async function takeSeat({
  driver,
  seat,
  holder,
  topic,
  warn,
  pause = wait,
}: SeatOptions): Promise<void> {
  let holders = await driver.membersOf(seat);
  if (holders.length > 0)
    warn(`the ${holder} of the run is ${holders.join(', ')}; waiting to see whether it is still there`);
  for (let pauses = 0; holders.length > 0 && pauses < PAUSES; pauses++) {
    await pause(PAUSE_MS);
    holders = await driver.membersOf(seat);
  }
  if (holders.length > 0)
    throw new TributaryError(
      'TRIB_USAGE',
      `run ${seat}: expected no active ${holder}, got ${holders.join(', ')}. Wait for it or stop it, or set transport.kafka.prefix to another name.`,
    );
  await driver.consume({
    topic,
    consumerGroup: seat,
    onRecords: async (records) => records.length,
    onAssigned: () => new Map(),
    // The exclusive writer stops a member that has lost its seat.
    onFault: (error) => warn(`seat ${seat}: ${String(error)}`),
  });
}
