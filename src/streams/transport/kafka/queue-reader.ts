import { setTimeout as wait } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { type ErrorCode, TributaryError } from '../../../errors.js';
import { ConsumerGroup, type Entry } from '../contract/consumer-group.js';
import type { Delivery } from '../contract/transport.js';
import type { LogConsumer, LogDriver, LogRecord } from './log-driver.js';
import { OffsetLedger } from './offset-ledger.js';

export interface QueueReaderOptions {
  readonly driver: LogDriver;
  readonly topic: string;
  readonly consumerGroup: string;
  readonly maxInFlight: number;
  readonly onRepeat?: (() => void) | undefined;
  /** Decoded records that may wait for their turn; at the bound fetching pauses. */
  readonly maxWaiting: number;
  /** Deliveries of a message before it becomes a dead letter; no limit without `deadLetter`. */
  readonly maxAttempts: number;
  readonly decode: (record: LogRecord) => Promise<unknown>;
  /**
   * Resolves when the record is durable as a dead letter. Null for the dead letters themselves: an unreadable one is skipped,
   * and its bytes stay in the log.
   */
  readonly deadLetter:
    | ((record: LogRecord, reason: string, attempts: number, code?: ErrorCode) => Promise<void>)
    | null;
  /**
   * For a group without other members: the offset at which to start each partition, whatever was committed; a missing one
   * starts at its oldest record. Null for a shared group, which starts at its commits.
   */
  readonly startAt: ReadonlyMap<number, bigint> | null;
  /** Called with a function that tells how far each partition of the reader is answered. */
  readonly onReading: (positions: () => ReadonlyMap<number, bigint>) => void;
  /** Called when a reader is left, with the end of its work, which the transport waits for. */
  readonly onLeaving: (left: Promise<void>) => void;
}

/** Between attempts to read a record; the n-th pause is n times as long. */
const DECODE_PAUSE_MS = 1000;

/**
 * Reads a queue topic as one member of its consumer group. Each message waits for the answer to the one before it of its key.
 * Only the offset below which everything is answered is committed: a crash brings back what was not answered.
 *
 * Time: joins the group when subscribed to; the first message comes once the group has assigned it a partition.
 *
 * Errors: TRIB_TRANSPORT when the consumer gives up.
 */
export function readQueue(options: QueueReaderOptions): Observable<Delivery<unknown>> {
  return new Observable((subscriber) => {
    const reader = new QueueReader(options, (error) => subscriber.error(error));
    const leave = reader.group.join(subscriber, options);
    reader.start();
    options.onReading(() => reader.positions());
    return () => {
      leave();
      options.onLeaving(reader.stop());
    };
  });
}

class QueueReader {
  readonly group: ConsumerGroup;
  readonly #ledgers = new Map<number, OffsetLedger>();
  readonly #records = new WeakMap<Entry, { readonly record: LogRecord; readonly ledger: OffsetLedger }>();
  readonly #uncommitted = new Set<number>();
  #consumer: Promise<LogConsumer | null> = Promise.resolve(null);
  #committing: Promise<void> = Promise.resolve();
  #nextSequence = 0;
  #isResting = false;
  #isStopped = false;

  constructor(
    private readonly options: QueueReaderOptions,
    private readonly fail: (error: unknown) => void,
  ) {
    this.group = new ConsumerGroup([], {
      onSettled: (entry) => this.#settle(entry),
      onRoom: () => this.#wake(),
      onNack: (entry, nacks, reason) => this.#refuse(entry, nacks, reason),
      onRepeat: (entry, held) => this.#setAside(entry, held),
    });
  }

  start(): void {
    const { driver, topic, consumerGroup } = this.options;
    this.#consumer = driver
      .consume({
        topic,
        consumerGroup,
        onAssigned: (partitions) => this.#assign(partitions),
        onRecords: (records) => this.#take(records),
        onFault: this.fail,
      })
      .catch((error: unknown) => {
        this.fail(error);
        return null;
      });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const consumer = await this.#consumer;
    await this.#committing;
    await consumer?.close();
  }

  /** By partition, the offset before which all records are answered, or where a partition without records was to start. */
  positions(): ReadonlyMap<number, bigint> {
    const positions = new Map(this.options.startAt ?? []);
    for (const [partition, ledger] of this.#ledgers)
      if (ledger.lowWater > 0n) positions.set(partition, ledger.lowWater);
    return positions;
  }

  /** After a rebalance all that is not committed comes again; a partition that stayed knows what it has taken. */
  #assign(partitions: readonly number[]): ReadonlyMap<number, bigint> {
    for (const partition of this.#ledgers.keys()) {
      if (!partitions.includes(partition)) this.#ledgers.delete(partition);
    }
    for (const partition of partitions) {
      if (!this.#ledgers.has(partition)) this.#ledgers.set(partition, new OffsetLedger());
    }
    this.group.withdraw((entry) => !this.#isOurs(entry));
    this.#wake();
    return new Map(partitions.flatMap((partition) => this.#startOf(partition)));
  }

  /** A member without others may be ahead of its commits, or behind them after it was reset. */
  #startOf(partition: number): [number, bigint][] {
    const { startAt } = this.options;
    if (startAt === null) return [];
    const taken = this.#ledgers.get(partition)?.next ?? 0n;
    return [[partition, taken > 0n ? taken : (startAt.get(partition) ?? 0n)]];
  }

  /** Whether a record lies in a partition that has been this member's since it was taken. */
  #isOurs(entry: Entry): boolean {
    const taken = this.#records.get(entry);
    return taken !== undefined && this.#ledgers.get(taken.record.partition) === taken.ledger;
  }

  async #take(records: readonly LogRecord[]): Promise<number> {
    for (const [count, record] of records.entries()) {
      const ledger = this.#ledgers.get(record.partition);
      if (this.#isStopped || !ledger) return count;
      if (this.group.numWaiting >= this.options.maxWaiting) {
        this.#isResting = true;
        return count;
      }
      // The ledger skips the record from here on: a swallowed error would leave it unanswered for ever.
      if (ledger.take(record.offset)) await this.#offer(record, ledger).catch(this.fail);
    }
    return records.length;
  }

  async #offer(record: LogRecord, ledger: OffsetLedger): Promise<void> {
    const { key, headers } = record;
    const entry = (message: unknown): Entry => ({ sequence: this.#nextSequence++, key, message, headers });
    try {
      const decoded = entry(await this.#decode(record));
      this.#records.set(decoded, { record, ledger });
      this.group.offer(decoded);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      const unread = entry(null);
      this.#records.set(unread, { record, ledger });
      await this.#bury(unread, error.message, 1, error.code);
    }
  }

  /** Retries errors that may pass, such as a payload store that is down, before a record is lost to them. */
  async #decode(record: LogRecord, attempt = 1): Promise<unknown> {
    try {
      return await this.options.decode(record);
    } catch (error) {
      const mayPass = error instanceof TributaryError && error.retryable;
      if (!mayPass || attempt >= this.options.maxAttempts || this.#isStopped) throw error;
      await wait(attempt * DECODE_PAUSE_MS);
      return this.#decode(record, attempt + 1);
    }
  }

  /**
   * Settles a record that is never delivered. If an older one of its partition is held, nothing after that is committed, and a
   * crash brings both back. Otherwise it may be the held message itself again, from before the partition was reassigned: then
   * it holds back the commits, and its place is kept until that message is answered. So at most one per partition is kept.
   */
  #setAside(entry: Entry, held: readonly Entry[]): Entry | null {
    const taken = this.#records.get(entry);
    if (!taken) return null;
    const { record, ledger } = taken;
    const before = held.map((other) => this.#records.get(other));
    if (before.some((other) => other?.ledger === ledger && other.record.offset < record.offset)) {
      ledger.settle(record.offset);
      return null;
    }
    const kept = { ...entry, message: null };
    this.#records.set(kept, { ledger, record: { ...record, value: new Uint8Array() } });
    return kept;
  }

  #refuse(entry: Entry, nacks: number, reason: string): boolean {
    const { deadLetter, maxAttempts } = this.options;
    if (!deadLetter || nacks < maxAttempts) return true;
    // The record stays unsettled until the dead letter is accepted: a crash brings it back.
    this.#bury(entry, reason, nacks).catch(this.fail);
    return false;
  }

  async #bury(entry: Entry, reason: string, attempts: number, code?: ErrorCode): Promise<void> {
    const taken = this.#records.get(entry);
    if (taken) await this.options.deadLetter?.(taken.record, reason, attempts, code);
    this.#settle(entry);
  }

  #settle(entry: Entry): void {
    const taken = this.#records.get(entry);
    if (!taken || !this.#isOurs(entry)) return;
    taken.ledger.settle(taken.record.offset);
    this.#uncommitted.add(taken.record.partition);
    this.#committing = this.#committing.then(() => this.#commit());
  }

  /** Commits what has changed since the last commit began. */
  async #commit(): Promise<void> {
    const partitions = [...this.#uncommitted];
    this.#uncommitted.clear();
    const consumer = partitions.length > 0 ? await this.#consumer : null;
    for (const partition of partitions) {
      const ledger = this.#ledgers.get(partition);
      // If the group is rebalancing, the records come again, and the next commit replaces this one.
      if (ledger) await consumer?.commit(partition, ledger.lowWater).catch(() => undefined);
    }
  }

  #wake(): void {
    if (!this.#isResting || this.group.numWaiting > this.options.maxWaiting / 2) return;
    this.#isResting = false;
    this.#consumer.then((consumer) => consumer?.resume()).catch(this.fail);
  }
}
