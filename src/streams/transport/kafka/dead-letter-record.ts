import type { Headers } from '../contract/transport.js';
import type { NewRecord } from './log-driver.js';
import { recordBytes } from './log-driver.js';

export interface DeadLetterOptions {
  /** Largest record, with its headers, that the dead-letters topic takes. */
  readonly maxBytes: number;
  /** Stores the bytes of a record that is too large elsewhere, and returns a record that claims them. */
  readonly claim: (record: Body) => Promise<Body>;
}

interface Body {
  readonly value: Uint8Array;
  readonly headers: Headers;
}

/** Far more than this program's reasons need; others may write longer ones. */
const MOST_REASON = 2000;
const MOST_KEY = 1000;

/**
 * Returns a dead letter that its topic takes, for any record: its key, bytes and headers, plus `why`. If that exceeds
 * `maxBytes`, a claim replaces the bytes; if it still does, other headers are dropped and the key is cut.
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
