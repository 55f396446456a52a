/**
 * @file What the Kafka transport needs from a Kafka client. The folder kafkajs/ implements it, so another client can replace it.
 */

import type { Headers } from '../contract/transport.js';

/** A topic as it must be in the cluster. */
export interface TopicPlan {
  readonly topic: string;
  readonly numPartitions: number;
  /** `delete`: records go after a time. `compact`: the newest of each key stays. */
  readonly cleanupPolicy: 'delete' | 'compact';
  readonly maxMessageBytes: number;
  /** Of a topic that is created; default: the cluster's. Not checked on an existing one. */
  readonly replicationFactor?: number;
  /** As above. */
  readonly retentionHours?: number;
}

/** A record on its way in. */
export interface NewRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Headers;
  /** Default: by the hash of the key. */
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
   * Takes the next records of one partition, in order, and resolves to how many it took. If not all, the partition pauses
   * until `resume`, which brings the others.
   */
  readonly onRecords: (records: readonly LogRecord[]) => Promise<number>;
  /**
   * Called with the partitions that this consumer now reads; what is not committed comes again. Returns the offsets of those
   * that start elsewhere.
   */
  readonly onAssigned: (partitions: readonly number[]) => ReadonlyMap<number, bigint>;
  /** Called when everything before `next` was passed on, even if that was only marks of the log itself. */
  readonly onPosition?: (partition: number, next: bigint) => void;
  /** Called when the consumer gives up. */
  readonly onFault: (error: unknown) => void;
}

export interface LogConsumer {
  /** All records of the partition before `offset` are done with. */
  commit(partition: number, offset: bigint): Promise<void>;
  resume(): void;
  /** Leaves the consumer group; waits for what `onRecords` is doing. */
  close(): Promise<void>;
}

/** Writes as the only holder of a name; whoever opens a writer of that name later takes it over. */
export interface ExclusiveWriter {
  /**
   * Resolves when all in-sync replicas have the record.
   *
   * Errors: TRIB_USAGE if another process has taken the name; nothing was written. TRIB_TRANSPORT as `append` below.
   */
  append(topic: string, record: NewRecord): Promise<void>;
  close(): Promise<void>;
}

/** A client of a cluster. Its errors are TRIB_TRANSPORT, `retryable` if a later call may succeed. */
export interface LogDriver {
  /** Creates missing topics, and fails if an existing one has other settings than planned. */
  ensureTopics(plans: readonly TopicPlan[]): Promise<void>;
  /**
   * Resolves when all in-sync replicas have the records.
   *
   * Errors: TRIB_TRANSPORT if this topic, or another that was written before, has been deleted.
   */
  append(topic: string, records: readonly NewRecord[]): Promise<void>;
  /** Joins a consumer group; a group that is new starts at the oldest record. */
  consume(options: ConsumeOptions): Promise<LogConsumer>;
  /** Takes a name from whoever holds it: a transactional id, whose epoch the brokers raise. */
  openExclusiveWriter(name: string): Promise<ExclusiveWriter>;
  /**
   * Names of the clients that are members of a consumer group; one that died stays a member for up to ten seconds.
   *
   * Errors: TRIB_TRANSPORT if the group has members that cannot be counted.
   */
  membersOf(consumerGroup: string): Promise<readonly string[]>;
  /** The offset after the last record of each partition that holds any, by partition. */
  endOffsets(topic: string): Promise<ReadonlyMap<number, bigint>>;
  /** Records of a topic that a consumer group has not committed, in all partitions. */
  lagOf(topic: string, consumerGroup: string): Promise<number>;
  close(): Promise<void>;
}

/** Lengths, offset and time of a record, and the lengths of a header, as variable-length numbers. */
const RECORD_BYTES = 32;
const HEADER_BYTES = 6;

/** The most bytes that a record takes up in a batch. */
export function recordBytes({ key, value, headers }: NewRecord): number {
  const named = Object.entries(headers).map(([name, text]) => name.length + Buffer.byteLength(text));
  return named.reduce(
    (sum, bytes) => sum + bytes + HEADER_BYTES,
    value.length + Buffer.byteLength(key) + RECORD_BYTES,
  );
}
