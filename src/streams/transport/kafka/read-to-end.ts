import { randomUUID } from 'node:crypto';
import type { LogDriver, LogRecord } from './log-driver.js';

/**
 * Passes on all records of a topic, from the oldest to the end that it has now, in order within each partition. It moves no
 * consumer group.
 *
 * Errors: TRIB_TRANSPORT if the cluster does not answer; what `onRecord` throws.
 */
export async function readToEnd(
  driver: LogDriver,
  topic: string,
  onRecord: (record: LogRecord) => void | Promise<void>,
): Promise<void> {
  const ends = await driver.endOffsets(topic);
  const open = new Map(ends);
  if (open.size === 0) return;
  let stop = () => {};
  const read = new Promise<void>((resolve, reject) => {
    stop = resolve;
    driver
      .consume({
        topic,
        consumerGroup: `${topic}.readers.${randomUUID()}`,
        onAssigned: () => new Map(),
        onFault: reject,
        onPosition: (partition, next) => {
          if (next >= (ends.get(partition) ?? 0n)) open.delete(partition);
          if (open.size === 0) stop();
        },
        async onRecords(records) {
          try {
            for (const record of records)
              if (record.offset < (ends.get(record.partition) ?? 0n)) await onRecord(record);
          } catch (error) {
            reject(error);
          }
          return records.length;
        },
      })
      .then((consumer) => read.finally(() => consumer.close()).catch(() => undefined), reject);
  });
  await read;
}
