import { randomUUID } from 'node:crypto';
import { filter, firstValueFrom, map, Observable } from 'rxjs';
import type { LogDriver, LogRecord } from './log-driver.js';

export interface StateReaderOptions {
  readonly driver: LogDriver;
  /** A compacted topic of one partition. */
  readonly topic: string;
  readonly decode: (record: LogRecord) => Promise<unknown>;
  /** Called with a record that could not be decoded; the older value stays in force. */
  readonly onUnreadable: (record: LogRecord, error: unknown) => void;
  readonly onLeaving: (left: Promise<void>) => void;
}

/**
 * Reads a broadcast topic: its newest value at the time of subscription, then every newer one.
 *
 * Time: emits nothing until it has read up to the end that the topic had at the start. It is the only member of a consumer
 * group that never commits.
 */
export function readState(options: StateReaderOptions): Observable<unknown> {
  return readStates(options).pipe(
    filter((state) => state !== null),
    map(({ value }) => value),
  );
}

/** Reads the newest value of a broadcast topic; null if there is none. */
export async function readNewestState(options: StateReaderOptions): Promise<unknown> {
  return (await firstValueFrom(readStates(options)))?.value ?? null;
}

interface State {
  readonly value: unknown;
}

/** The first is the newest value at the start, or null. */
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
      // Read but not yet emitted: a newer one may come before the end.
      let newest: State | null = null;
      let isCaughtUp = end === 0n;
      let hasBegun = false;
      const emit = () => {
        if (!isCaughtUp || (hasBegun && !newest)) return;
        hasBegun = true;
        const state = newest;
        newest = null;
        subscriber.next(state);
      };
      emit();
      if (subscriber.closed) return null;
      return driver.consume({
        topic,
        consumerGroup: `${topic}.readers.${randomUUID()}`,
        onAssigned: () => new Map(),
        // The end may be the mark of a transaction, which is no record.
        onPosition: (_, next) => {
          isCaughtUp ||= next >= end;
          emit();
        },
        onFault: (error) => subscriber.error(error),
        async onRecords(records) {
          for (const record of records) {
            try {
              newest = { value: await decode(record) };
            } catch (error) {
              onUnreadable(record, error);
            }
            emit();
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
