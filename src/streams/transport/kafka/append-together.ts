import type { NewRecord } from './log-driver.js';

/** Of one request; a record that is larger goes by itself. Far below what a broker takes for one partition. */
const MOST_BYTES = 512 * 1024;
/** Headers, and what the log itself needs. */
const RECORD_OVERHEAD_BYTES = 256;

interface Waiting {
  readonly record: NewRecord;
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Returns a way to append single records that writes those which come while a request is under way with the next one, in
 * the order in which they came. A request takes as long for a thousand records as for one.
 *
 * **Time**: the first record leaves at once; one request a topic is under way at a time. A request that fails fails all of
 * its records, of which some may have been written.
 */
export function appendTogether(
  append: (topic: string, records: readonly NewRecord[]) => Promise<void>,
): (topic: string, record: NewRecord) => Promise<void> {
  const queues = new Map<string, Waiting[]>();

  const drain = async (topic: string, queue: Waiting[]): Promise<void> => {
    for (let batch = takeBatch(queue); batch.length > 0; batch = takeBatch(queue)) {
      const records = batch.map(({ record }) => record);
      await append(topic, records).then(
        () => batch.map(({ written }) => written()),
        (error: unknown) => batch.map(({ failed }) => failed(error)),
      );
    }
    queues.delete(topic);
  };
  return (topic, record) =>
    new Promise((written, failed) => {
      const queue = queues.get(topic);
      if (queue) queue.push({ record, written, failed });
      else {
        const started = [{ record, written, failed }];
        queues.set(topic, started);
        void drain(topic, started);
      }
    });
}

/** Takes the records of the next request off the queue. */
function takeBatch(queue: Waiting[]): Waiting[] {
  let bytes = 0;
  const end = queue.findIndex(({ record }, index) => {
    bytes += record.value.length + record.key.length + RECORD_OVERHEAD_BYTES;
    return index > 0 && bytes > MOST_BYTES;
  });
  return queue.splice(0, end < 0 ? queue.length : end);
}
