/**
 * @file What a consumer has taken of one partition, and up to where all of it is settled. Records are settled in any
 * order; only the low-water mark is ever committed, so a crash brings back all that was not settled.
 */
export class OffsetLedger {
  /** Taken and not settled. */
  readonly #open = new Set<bigint>();
  #next = 0n;

  /** After the newest that was taken; 0 where nothing was. */
  get next(): bigint {
    return this.#next;
  }

  /** Whether a record is new. One that was redelivered after a rebalance, taken or settled here before, is not. */
  take(offset: bigint): boolean {
    if (offset < this.#next) return false;
    this.#open.add(offset);
    this.#next = offset + 1n;
    return true;
  }

  settle(offset: bigint): void {
    this.#open.delete(offset);
  }

  /** All records before it are settled. Offsets may have gaps. */
  get lowWater(): bigint {
    // A set keeps the order of insertion, and offsets are taken in ascending order.
    const [lowest] = this.#open;
    return lowest ?? this.#next;
  }
}
