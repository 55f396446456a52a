import type { Headers } from '../contract/transport.js';

interface RecordBody {
  readonly value: Uint8Array;
  readonly headers: Headers;
}

/** Converts messages to bytes and back; `topic` is the one that a message was first published on. */
export interface TopicCodec {
  write(topic: string, message: unknown, headers: Headers): Promise<RecordBody>;
  /** Errors: a `TributaryError` if the bytes are no such message; they become a dead letter. */
  read(topic: string, record: RecordBody): Promise<unknown>;
  /** Stores the bytes elsewhere, readable or not, and returns a small record that claims them. */
  claim(record: RecordBody): Promise<RecordBody>;
}
