import { randomUUID } from 'node:crypto';
import { filter, firstValueFrom, map, Observable } from 'rxjs';
import type { LogDriver, LogRecord } from './log-driver.js';

export interface StateReaderOptions {
  readonly driver: LogDriver;
  /** A compacted topic of one partition. */
  readonly topic: string;
  readonly decode: (record: LogRecord) => Promise<unknown>;
  /** Takes what could not be decoded; the older value stays in force. */
  readonly onUnreadable: (record: LogRecord, error: unknown) => void;
  readonly onLeaving: (left: Promise<void>) => void;
}

/**
 * Reads a broadcast topic: its newest value as it stands when subscribed to, then every newer one.
 *
 * Time: emits nothing before it has read up to the end that the topic had at the start. It reads for itself, as the
 * only member of a consumer group that never commits.
 */
export function readState(options: StateReaderOptions): Observable<unknown> {
  return readStates(options).pipe(
    filter((state) => state !== null),
    map(({ value }) => value),
  );
}

/** Reads the newest value of a broadcast topic as it stands now; null where there is none. */
export async function readNewestState(options: StateReaderOptions): Promise<unknown> {
  return (await firstValueFrom(readStates(options)))?.value ?? null;
}

interface State {
  readonly value: unknown;
}

/** The first says what stands there at the start, if anything does. */
function readStates({
  driver,
  topic,
  decode,
  onUnreadable,
  onLeaving,
}: StateReaderOptions): Observable<State | null> {
  return new Observable<State | null>((subscriber) => {
    const read = async () => {
      const end = (await driver.endOffsets(topic)).get(0) ?? 0n;
      // What was read and not handed on, as a newer one may stand before the end.
      let newest: State | null = null;
      let isCaughtUp = end === 0n;
      let hasBegun = false;
      const handOn = () => {
        if (!isCaughtUp || (hasBegun && !newest)) return;
        hasBegun = true;
        const state = newest;
        newest = null;
        subscriber.next(state);
      };
      handOn();
      if (subscriber.closed) return null;
      return driver.consume({
        topic,
        consumerGroup: `${topic}.readers.${randomUUID()}`,
        onAssigned: () => new Map(),
        // The end may be the mark of a transaction, which is no record.
        onPosition: (_, next) => {
          isCaughtUp ||= next >= end;
          handOn();
        },
        onFault: (error) => subscriber.error(error),
        async onRecords(records) {
          for (const record of records) {
            try {
              newest = { value: await decode(record) };
            } catch (error) {
              onUnreadable(record, error);
            }
            handOn();
          }
          return records.length;
        },
      });
    };
    const consumer = read().catch((error: unknown) => {
      subscriber.error(error);
      return null;
    });
    return () => onLeaving(consumer.then((one) => one?.close()));
  });
}
