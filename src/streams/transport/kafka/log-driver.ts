/**
 * @file What the Kafka transport asks of a Kafka client. One file implements it (kafkajs/client.ts), so another client can
 * take its place.
 */

import type { Headers } from '../contract/transport.js';

/** A topic as it must be in the cluster. */
export interface TopicPlan {
  readonly topic: string;
  readonly numPartitions: number;
  /** `delete`: records go after a time. `compact`: the newest of each key stays. */
  readonly cleanupPolicy: 'delete' | 'compact';
  readonly maxMessageBytes: number;
  /** Of a topic that is created; by default as the cluster says. One that is there is not held to it. */
  readonly replicationFactor?: number;
  /** As above. */
  readonly retentionHours?: number;
}

/** A record on its way in. */
export interface NewRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Headers;
  /** Default: as the hash of the key says. */
  readonly partition?: number;
}

/** A record of a partition. */
export interface LogRecord extends NewRecord {
  readonly partition: number;
  readonly offset: bigint;
}

export interface ConsumeOptions {
  readonly topic: string;
  readonly consumerGroup: string;
  /**
   * Takes the next records of one partition, in order. Resolves how many it took, from the first on; if not all, the
   * partition rests until `resume`, and the others come then.
   */
  readonly onRecords: (records: readonly LogRecord[]) => Promise<number>;
  /**
   * The partitions that this consumer reads from now on; what is not committed comes again. Returns the offsets of those
   * that shall start elsewhere.
   */
  readonly onAssigned: (partitions: readonly number[]) => ReadonlyMap<number, bigint>;
  /** All of a partition before `next` was handed over; also where there was nothing to hand over but a log's own marks. */
  readonly onPosition?: (partition: number, next: bigint) => void;
  /** The consumer has given up. */
  readonly onFault: (error: unknown) => void;
}

export interface LogConsumer {
  /** All records of the partition before `offset` are done with. */
  commit(partition: number, offset: bigint): Promise<void>;
  resume(): void;
  /** Leaves the consumer group; waits for what `onRecords` is doing. */
  close(): Promise<void>;
}

/** Writes as the one process that holds a name; whoever opens a writer of that name later takes it away. */
export interface ExclusiveWriter {
  /**
   * Resolves when all replicas in sync have the record.
   *
   * Errors: TRIB_USAGE where another process has taken the name; nothing was written. TRIB_TRANSPORT as `append` below.
   */
  append(topic: string, record: NewRecord): Promise<void>;
  close(): Promise<void>;
}

/** A client of a cluster. Every fault of the cluster is a TRIB_TRANSPORT, `retryable` where it may pass. */
export interface LogDriver {
  /** Creates the topics that are missing, and errs where one that is there is another than planned. */
  ensureTopics(plans: readonly TopicPlan[]): Promise<void>;
  /**
   * Resolves when all replicas in sync have the records.
   *
   * Errors: TRIB_TRANSPORT where this topic, or another that was written to before, was deleted meanwhile.
   */
  append(topic: string, records: readonly NewRecord[]): Promise<void>;
  /** Joins a consumer group; a group that is new starts at the oldest record. */
  consume(options: ConsumeOptions): Promise<LogConsumer>;
  /** Takes a name from whoever holds it: by a transactional id, whose epoch the brokers raise. */
  openExclusiveWriter(name: string): Promise<ExclusiveWriter>;
  /**
   * Names of the clients that are members of a consumer group now; one that died is one for up to ten seconds more.
   *
   * Errors: TRIB_TRANSPORT where the group has members that cannot be counted.
   */
  membersOf(consumerGroup: string): Promise<readonly string[]>;
  /** The offset after the last record of each partition that holds any, by partition. */
  endOffsets(topic: string): Promise<ReadonlyMap<number, bigint>>;
  close(): Promise<void>;
}

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
