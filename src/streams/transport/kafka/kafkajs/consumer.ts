import type { Headers } from '../../contract/transport.js';
import { coded, codedFault } from '../cluster-fault.js';
import type { ConsumeOptions, LogConsumer, LogRecord } from '../log-driver.js';
import type { Kafka, KafkaMessage } from './client.js';

/** Bytes of one fetch from one partition: a few of the largest records. */
const MAX_BYTES_PER_PARTITION = 8 * 2 ** 20;
/** A dead member stays in its group for so long; the event loop is never blocked longer. */
const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1000;
/**
 * How long the brokers hold a fetch that finds nothing, unless a record comes. A consumer notices only after a fetch that a
 * partition was resumed or that it is being closed.
 */
const MAX_WAIT_MS = 1000;

/** Joins a consumer group; a group that is new starts at the oldest record. */
export async function consume(kafka: Kafka, options: ConsumeOptions): Promise<LogConsumer> {
  const { topic, consumerGroup, onRecords, onAssigned, onPosition, onFault } = options;
  const consumer = kafka.consumer({
    groupId: consumerGroup,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    maxWaitTimeInMs: MAX_WAIT_MS,
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    for (const [partition, offset] of onAssigned(payload.memberAssignment[topic] ?? []))
      consumer.seek({ topic, partition, offset: String(offset) });
  });
  if (onPosition)
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) =>
      onPosition(payload.partition, BigInt(payload.lastOffset) + 1n),
    );
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) onFault(codedFault(`topic "${topic}"`, payload.error));
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 4,
      eachBatch: async ({ batch, resolveOffset, isRunning, isStale, heartbeat }) => {
        if (!isRunning() || isStale()) return;
        const records = batch.messages.map((message) => recordOf(batch.partition, message));
        // Payloads may take long to come from a store. A failed heartbeat shows at the next fetch.
        const beats = setInterval(() => heartbeat().catch(() => undefined), HEARTBEAT_INTERVAL_MS);
        const taken = await onRecords(records).finally(() => clearInterval(beats));
        const last = records[taken - 1];
        if (isStale()) return;
        if (last) resolveOffset(String(last.offset));
        if (taken < records.length) consumer.pause([{ topic, partitions: [batch.partition] }]);
        await heartbeat();
      },
    });
  } catch (error) {
    // Otherwise it would go on trying and keep the process alive.
    await consumer.disconnect().catch(() => undefined);
    throw error;
  }
  return {
    commit: (partition, offset) =>
      coded(`topic "${topic}"`, () => consumer.commitOffsets([{ topic, partition, offset: String(offset) }])),
    resume: () => consumer.resume([{ topic }]),
    close: () => consumer.disconnect(),
  };
}

function recordOf(partition: number, { offset, key, value, headers = {} }: KafkaMessage): LogRecord {
  return {
    partition,
    offset: BigInt(offset),
    key: key?.toString('utf8') ?? '',
    value: value ?? new Uint8Array(),
    headers: headersOf(headers),
  };
}

/** If a header occurs several times, the last one counts. */
function headersOf(headers: NonNullable<KafkaMessage['headers']>): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      String(Array.isArray(value) ? value.at(-1) : value),
    ]),
  );
}
