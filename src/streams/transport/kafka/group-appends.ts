import type { NewRecord } from './log-driver.js';
import { recordBytes } from './log-driver.js';

/** Records of several topics that are sent at once. */
export type RecordsByTopic = ReadonlyMap<string, readonly NewRecord[]>;

interface GroupAppendsOptions {
  /** Retries what may succeed; nothing else is sent meanwhile. */
  readonly send: (records: RecordsByTopic) => Promise<void>;
  /** Bytes of one send; a larger record goes alone. */
  readonly maxBytes: number;
}

interface Waiting {
  readonly topic: string;
  readonly record: NewRecord;
  readonly bytes: number;
  readonly accepted: () => void;
  readonly rejected: (error: unknown) => void;
}

/**
 * Returns an append that sends one group of records at a time: all that came while the one before was in flight. So many
 * writers share a round trip, and no record overtakes another, not even in a retry.
 *
 * Memory: the records that callers wait for.
 */
export function groupAppends({
  send,
  maxBytes,
}: GroupAppendsOptions): (topic: string, record: NewRecord) => Promise<void> {
  const waiting: Waiting[] = [];
  let isSending = false;

  const nextGroup = (): Waiting[] => {
    let bytes = 0;
    const beyond = waiting.findIndex((one) => {
      bytes += one.bytes;
      return bytes > maxBytes;
    });
    return waiting.splice(0, beyond < 0 ? waiting.length : Math.max(1, beyond));
  };
  const sendAll = async (): Promise<void> => {
    isSending = true;
    // Records of the same turn go together.
    await Promise.resolve();
    for (let group = nextGroup(); group.length > 0; group = nextGroup()) {
      const records = new Map<string, NewRecord[]>();
      for (const { topic, record } of group) {
        const sameTopic = records.get(topic);
        if (sameTopic) sameTopic.push(record);
        else records.set(topic, [record]);
      }
      try {
        await send(records);
        for (const { accepted } of group) accepted();
      } catch (error) {
        for (const { rejected } of group) rejected(error);
      }
    }
    isSending = false;
  };
  return (topic, record) =>
    new Promise<void>((accepted, rejected) => {
      waiting.push({ topic, record, bytes: recordBytes(record), accepted, rejected });
      if (!isSending) void sendAll();
    });
}
