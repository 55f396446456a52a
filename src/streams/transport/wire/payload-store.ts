/**
 * @file Where payloads lie that are too large for a record (the claim-check pattern): the record carries a claim, and the
 * bytes lie in a store that both sides reach.
 */

/** What a record carries in place of its payload. */
export interface Claim {
  /** Says to people where the bytes lie; a store finds them by their hash. */
  readonly uri: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
}

/** Keeps payloads under the hash of their bytes, so that writing one twice is writing it once. */
export interface PayloadStore {
  /** Resolves when the bytes are durable. */
  put(bytes: Uint8Array): Promise<Claim>;
  /**
   * Returns the bytes of a claim, checked against its size and hash. No more than the claimed size is read.
   *
   * **Errors**: TRIB_MESSAGE where they are others than those that were claimed, `retryable` where they are not there.
   */
  get(claim: Claim): Promise<Uint8Array>;
}
