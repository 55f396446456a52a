import type { NewRecord } from './log-driver.js';

/** Lengths, offset and time of a record, and the lengths of a header, as variable-length numbers. */
const RECORD_BYTES = 32;
const HEADER_BYTES = 6;

/** What a record takes up in a batch at most. */
export function recordBytes({ key, value, headers }: NewRecord): number {
  const named = Object.entries(headers).map(([name, text]) => name.length + Buffer.byteLength(text));
  return named.reduce(
    (sum, bytes) => sum + bytes + HEADER_BYTES,
    value.length + Buffer.byteLength(key) + RECORD_BYTES,
  );
}
