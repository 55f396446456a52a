import { randomUUID } from 'node:crypto';
import { TributaryError } from '../../../errors.js';
import type { LogConsumer, LogDriver, LogRecord } from './log-driver.js';

export interface ReadLogOptions {
  readonly driver: LogDriver;
  readonly topic: string;
  readonly decode: (record: LogRecord) => Promise<unknown>;
  /** Takes the messages in order per partition; those that cannot be decoded are passed over. */
  readonly take: (message: unknown) => void;
}

/**
 * Reads what a topic holds at the moment, and no further. It reads for itself, as the only member of a consumer group that
 * never commits.
 */
export async function readLog({ driver, topic, decode, take }: ReadLogOptions): Promise<void> {
  const [starts, ends] = await Promise.all([driver.startOffsets(topic), driver.endOffsets(topic)]);
  const unread = new Map([...ends].filter(([partition, end]) => end > (starts.get(partition) ?? 0n)));
  if (unread.size === 0) return;
  let consumer: Promise<LogConsumer> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      consumer = driver.consume({
        topic,
        consumerGroup: `${topic}.readers.${randomUUID()}`,
        onAssigned: () => new Map(),
        async onRecords(records) {
          for (const record of records) {
            if (record.offset < (unread.get(record.partition) ?? 0n)) await readOne(record);
          }
          return records.length;
        },
        onPosition(partition, next) {
          if (next >= (unread.get(partition) ?? 0n)) unread.delete(partition);
          if (unread.size === 0) resolve();
        },
        onFault: reject,
      });
      consumer.catch(reject);
    });
  } finally {
    await consumer?.then(
      (one) => one.close(),
      () => undefined,
    );
  }

  async function readOne(record: LogRecord): Promise<void> {
    try {
      take(await decode(record));
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
    }
  }
}
