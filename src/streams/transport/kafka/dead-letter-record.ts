import type { Headers } from '../contract/transport.js';
import type { NewRecord } from './log-driver.js';
import { recordBytes } from './log-driver.js';

export interface DeadLetterOptions {
  /** Of a record, with its headers, that the dead-letters topic takes. */
  readonly maxBytes: number;
  /** Returns a record that stands for one that is too large: its bytes lie elsewhere. */
  readonly claim: (record: Body) => Promise<Body>;
}

interface Body {
  readonly value: Uint8Array;
  readonly headers: Headers;
}

/** Far more than any reason of this program needs; others may have had a say in it. */
const MOST_REASON = 2000;
const MOST_KEY = 1000;

/**
 * Returns a dead letter that its topic takes, whatever the record is: its own key, bytes and headers with `why` beside them.
 * Where that is more than `maxBytes`, a claim stands for the bytes; where it still is, what others have put into headers is
 * left out, and of the key only the beginning is kept.
 */
export async function deadLetterRecord(
  record: NewRecord,
  why: Headers,
  { maxBytes, claim }: DeadLetterOptions,
): Promise<NewRecord> {
  const { key, value } = record;
  const reasons = { ...why, ...(why.reason !== undefined && { reason: why.reason.slice(0, MOST_REASON) }) };
  const whole = { key, value, headers: { ...record.headers, ...reasons } };
  if (recordBytes(whole) <= maxBytes) return whole;
  const claimed = { key, ...(await claim(whole)) };
  if (recordBytes(claimed) <= maxBytes) return claimed;
  const bare = await claim({ value, headers: reasons });
  return { key: key.slice(0, MOST_KEY), ...bare };
}
