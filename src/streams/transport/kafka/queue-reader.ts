import { setTimeout as wait } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { TributaryError } from '../../../errors.js';
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
  /** Decoded records that may wait for their turn; at the bound fetching rests. */
  readonly maxWaiting: number;
  /** Deliveries of a message before it becomes a dead letter; without a bound where there is no `deadLetter`. */
  readonly maxAttempts: number;
  readonly decode: (record: LogRecord) => Promise<unknown>;
  /**
   * Resolves when the record is a dead letter for good; null for the dead letters themselves: one that cannot be read is
   * passed over, and its bytes stay in the log.
   */
  readonly deadLetter: ((record: LogRecord, reason: string, attempts: number) => Promise<void>) | null;
  /**
   * Of a group that has no other member: where each partition is read from, whatever was committed; one that is not named,
   * from its oldest record. Null for a group that others share, which goes on where its commits say.
   */
  readonly startAt: ReadonlyMap<number, bigint> | null;
  /** Takes, while there is a reader, how far each of its partitions is answered. */
  readonly onReading: (positions: () => ReadonlyMap<number, bigint>) => void;
  /** Takes the end of a reader that was left, which the transport waits for. */
  readonly onLeaving: (left: Promise<void>) => void;
}

/** Between attempts to read a record; the n-th pause is n times as long. */
const DECODE_PAUSE_MS = 1000;

/**
 * Reads a queue topic as one member of its consumer group. Each key waits for the answer to its message before, and the
 * offset below which everything is answered is committed, nothing above it: a crash brings back what was not answered.
 *
 * Time: joins the group when subscribed to; the first message comes when the group has given it a partition.
 *
 * Errors: TRIB_TRANSPORT where the consumer has given up.
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

  /** All records before these are answered, by partition; of one that gave nothing yet, where it was to start. */
  positions(): ReadonlyMap<number, bigint> {
    const positions = new Map(this.options.startAt ?? []);
    for (const [partition, ledger] of this.#ledgers)
      if (ledger.lowWater > 0n) positions.set(partition, ledger.lowWater);
    return positions;
  }

  /** After every rebalance all that is not committed comes again; a partition that stayed knows what it has taken. */
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

  /** Commits may stand before or behind what a member that is alone has taken: it was set back, or has not answered yet. */
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
      // The ledger passes over the record from here on, so a fault that is swallowed would leave it unanswered for ever.
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
      await this.#bury(unread, error.message, 1);
    }
  }

  /** A fault that may pass, such as a payload store that is away, is tried again before it costs a record. */
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
   * Lets a record go that is never handed on. Where an older one of its partition is held, nothing behind that is committed, and
   * a crash brings both back. Else it may be the held message itself once more, from before its partition came anew: then it
   * is what holds back the commits, and its place is kept until that message is answered. So of each partition one is kept.
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
    // Until the dead letter is accepted the record stays unsettled, and a crash brings it back.
    this.#bury(entry, reason, nacks).catch(this.fail);
    return false;
  }

  async #bury(entry: Entry, reason: string, attempts: number): Promise<void> {
    const taken = this.#records.get(entry);
    if (taken) await this.options.deadLetter?.(taken.record, reason, attempts);
    this.#settle(entry);
  }

  #settle(entry: Entry): void {
    const taken = this.#records.get(entry);
    if (!taken || !this.#isOurs(entry)) return;
    taken.ledger.settle(taken.record.offset);
    this.#uncommitted.add(taken.record.partition);
    this.#committing = this.#committing.then(() => this.#commit());
  }

  /** Commits what has changed since the last commit began, once. */
  async #commit(): Promise<void> {
    const partitions = [...this.#uncommitted];
    this.#uncommitted.clear();
    const consumer = partitions.length > 0 ? await this.#consumer : null;
    for (const partition of partitions) {
      const ledger = this.#ledgers.get(partition);
      // The group may be changing hands: then the records come again, and the next commit takes this one's place.
      if (ledger) await consumer?.commit(partition, ledger.lowWater).catch(() => undefined);
    }
  }

  #wake(): void {
    if (!this.#isResting || this.group.numWaiting > this.options.maxWaiting / 2) return;
    this.#isResting = false;
    this.#consumer.then((consumer) => consumer?.resume()).catch(this.fail);
  }
}
