/**
 * @file Where payloads lie that are too large for a record (the claim-check pattern): the record carries a claim, and the
 * bytes lie in a store that both sides reach.
 */

import { createHash } from 'node:crypto';
import { TributaryError } from '../../../errors.js';

/** What a record carries in place of its payload. */
export interface Claim {
  /** Where the bytes are, for people; a store finds them by their hash. */
  readonly uri: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
}

/** Stores payloads under the hash of their bytes, so a payload may be written twice. */
export interface PayloadStore {
  /** Resolves when the bytes are durable. */
  put(bytes: Uint8Array): Promise<Claim>;
  /**
   * Returns the bytes of a claim, checked against its size and hash. No more than the claimed size is read.
   *
   * Errors: TRIB_MESSAGE if they are not the claimed ones, `retryable` if they are missing.
   */
  get(claim: Claim): Promise<Uint8Array>;
}

/** SHA-256, lower-case hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Anyone may have written a claim, and only a hash may become a path. Errors: TRIB_MESSAGE. */
export function requireHash({ sha256 }: Claim): void {
  if (/^[0-9a-f]{64}$/.test(sha256)) return;
  throw claimFault('expected a SHA-256 in hexadecimal', JSON.stringify(sha256.slice(0, 80)));
}

/** Errors: TRIB_MESSAGE if the number of bytes is not the claimed one. */
export function requireSize({ size }: Claim, found: number, place: string): void {
  if (found !== size) throw claimFault(`expected ${size} bytes in ${place}`, `${found}`);
}

/** Returns the bytes if they are the claimed ones. Errors: TRIB_MESSAGE. */
export function claimedBytes(claim: Claim, bytes: Uint8Array, place: string): Uint8Array {
  requireSize(claim, bytes.length, place);
  const hash = hashOf(bytes);
  if (hash === claim.sha256) return bytes;
  throw claimFault(`expected the claimed bytes in ${place}`, `some with SHA-256 ${hash}`);
}

/** Retryable: a claim may arrive before its bytes. */
export function missingFault(place: string): TributaryError {
  return claimFault(`expected ${place}`, 'none', { retryable: true });
}

export function claimFault(
  expected: string,
  got: string,
  context: { retryable?: boolean } = {},
): TributaryError {
  const nextStep =
    'Check that all processes use one payload store, and that it keeps payloads as long as the topics.';
  return new TributaryError('TRIB_MESSAGE', `claim: ${expected}, got ${got}. ${nextStep}`, context);
}
