/**
 * @file Which records of one partition a consumer has taken, and up to where all of them are settled. Records are settled in
 * any order; only the low-water mark is committed, so a crash brings back all that was not settled.
 */
export class OffsetLedger {
  /** Taken and not settled. */
  readonly #open = new Set<bigint>();
  #next = 0n;

  /** The offset after the newest taken record; 0 if none was taken. */
  get next(): bigint {
    return this.#next;
  }

  /** Takes a record, and returns whether it is new. One that comes again after a rebalance is not. */
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
