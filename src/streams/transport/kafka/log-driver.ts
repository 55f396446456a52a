/**
 * @file What the Kafka transport asks of a Kafka client. One file implements it (kafkajs-driver.ts), so another client can
 * take its place.
 */
import type { Headers } from '../transport.js';

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
  /** The partitions that this consumer reads from now on; what is not committed comes again. */
  readonly onAssigned: (partitions: readonly number[]) => void;
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

/** A client of a cluster. Every fault of the cluster is a TRIB_TRANSPORT, `retryable` where it may pass. */
export interface LogDriver {
  /** Creates the topics that are missing, and errs where one that is there is another than planned. */
  ensureTopics(plans: readonly TopicPlan[]): Promise<void>;
  /** Resolves when all replicas in sync have the records. */
  append(topic: string, records: readonly NewRecord[]): Promise<void>;
  /** Joins a consumer group; a group that is new starts at the oldest record. */
  consume(options: ConsumeOptions): Promise<LogConsumer>;
  /** The offset after the last record of each partition, by partition. */
  endOffsets(topic: string): Promise<ReadonlyMap<number, bigint>>;
  close(): Promise<void>;
}
