/** @file The one file that names kafkajs. */
import {
  type Admin,
  ConfigResourceTypes,
  type Consumer,
  Kafka,
  type KafkaConfig,
  type KafkaMessage,
  logLevel,
  Partitioners,
  type Producer,
} from 'kafkajs';
import { TributaryError } from '../../../errors.js';
import type { Headers } from '../transport.js';
import type {
  ConsumeOptions,
  LogConsumer,
  LogDriver,
  LogRecord,
  NewRecord,
  TopicPlan,
} from './log-driver.js';

export interface KafkaJsOptions extends Pick<KafkaConfig, 'brokers' | 'ssl' | 'sasl'> {
  readonly brokers: string[];
  readonly clientId: string;
  /** Takes what the client has to say, from warnings on. */
  readonly log: (level: 'warn' | 'error', message: string) => void;
}

/** Bytes of one fetch from one partition: a few of the largest records. */
const MAX_BYTES_PER_PARTITION = 8 * 2 ** 20;
const SESSION_TIMEOUT_MS = 30_000;
const HEARTBEAT_INTERVAL_MS = 1000;

/** Connects to a cluster. **Errors**: TRIB_TRANSPORT where no broker answers. */
export async function connectKafkaJs({ log, ...config }: KafkaJsOptions): Promise<LogDriver> {
  const kafka = new Kafka({
    ...config,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) =>
      log(
        entry.level === logLevel.ERROR ? 'error' : 'warn',
        `kafka: ${entry.log.message}${detailOf(entry.log.error)}`,
      ),
  });
  const admin = kafka.admin();
  // With one request in flight at a time, a retry cannot overtake.
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const consumers = new Set<LogConsumer>();
  await coded('brokers', async () => {
    await admin.connect();
    await producer.connect();
  });
  return {
    ensureTopics: (plans) => coded('topics', () => ensureTopics(admin, plans)),
    append: (topic, records) => coded(`topic "${topic}"`, () => append(producer, topic, records)),
    endOffsets: (topic) =>
      coded(`topic "${topic}"`, async () => {
        const offsets = await admin.fetchTopicOffsets(topic);
        return new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)]));
      }),
    async consume(options) {
      const consumer = await coded(`topic "${options.topic}"`, () => consume(kafka, options));
      consumers.add(consumer);
      return {
        ...consumer,
        close: async () => {
          consumers.delete(consumer);
          await consumer.close();
        },
      };
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      await producer.disconnect();
      await admin.disconnect();
    },
  };
}

async function ensureTopics(admin: Admin, plans: readonly TopicPlan[]): Promise<void> {
  const there = await admin.listTopics();
  const missing = plans.filter(({ topic }) => !there.includes(topic));
  // False says that another process was first.
  await admin.createTopics({
    waitForLeaders: true,
    topics: missing.map(({ topic, numPartitions, cleanupPolicy, maxMessageBytes }) => ({
      topic,
      numPartitions,
      configEntries: [
        { name: 'cleanup.policy', value: cleanupPolicy },
        { name: 'max.message.bytes', value: String(maxMessageBytes) },
      ],
    })),
  });
  const { topics } = await admin.fetchTopicMetadata({ topics: plans.map(({ topic }) => topic) });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: plans.map(({ topic }) => ({
      type: ConfigResourceTypes.TOPIC,
      name: topic,
      configNames: ['cleanup.policy', 'max.message.bytes'],
    })),
  });
  for (const plan of plans) {
    const settings = resources.find(({ resourceName }) => resourceName === plan.topic)?.configEntries ?? [];
    const settingOf = (name: string) =>
      settings.find(({ configName }) => configName === name)?.configValue ?? 'nothing';
    const partitions = topics.find(({ name }) => name === plan.topic)?.partitions.length ?? 0;
    requireSetting(plan.topic, 'cleanup.policy', plan.cleanupPolicy, settingOf('cleanup.policy'));
    requireSetting(plan.topic, 'partitions', String(plan.numPartitions), String(partitions));
    if (Number(settingOf('max.message.bytes')) < plan.maxMessageBytes)
      requireSetting(
        plan.topic,
        'max.message.bytes',
        `at least ${plan.maxMessageBytes}`,
        settingOf('max.message.bytes'),
      );
  }
}

function requireSetting(topic: string, setting: string, expected: string, got: string): void {
  if (expected === got) return;
  throw new TributaryError(
    'TRIB_TRANSPORT',
    `topic "${topic}" ${setting}: expected ${expected}, got ${got}. Alter the topic, or choose another prefix.`,
  );
}

async function append(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<void> {
  await producer.send({
    topic,
    acks: -1,
    messages: records.map(({ key, value, headers }) => ({
      key,
      value: Buffer.from(value),
      headers: { ...headers },
    })),
  });
}

async function consume(kafka: Kafka, options: ConsumeOptions): Promise<LogConsumer> {
  const { topic, consumerGroup, onRecords, onAssigned, onFault } = options;
  const consumer: Consumer = kafka.consumer({
    groupId: consumerGroup,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    maxWaitTimeInMs: 100,
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => onAssigned(payload.memberAssignment[topic] ?? []));
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) onFault(codedFault(`topic "${topic}"`, payload.error));
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async ({ batch, resolveOffset, isRunning, isStale, heartbeat }) => {
      if (!isRunning() || isStale()) return;
      const records = batch.messages.map((message) => recordOf(batch.partition, message));
      const taken = await onRecords(records);
      const last = records[taken - 1];
      if (isStale()) return;
      if (last) resolveOffset(String(last.offset));
      if (taken < records.length) consumer.pause([{ topic, partitions: [batch.partition] }]);
      await heartbeat();
    },
  });
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

/** Of a header that is there several times the last one counts. */
function headersOf(headers: NonNullable<KafkaMessage['headers']>): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      String(Array.isArray(value) ? value.at(-1) : value),
    ]),
  );
}

async function coded<Result>(where: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw codedFault(where, error);
  }
}

function codedFault(where: string, error: unknown): TributaryError {
  if (error instanceof TributaryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const retryable = error instanceof Error && 'retriable' in error && error.retriable === true;
  return new TributaryError(
    'TRIB_TRANSPORT',
    `kafka ${where}: expected the cluster to answer, got: ${message}. Check transport.brokers, and that the cluster is up.`,
    { retryable, cause: error },
  );
}

const detailOf = (error: unknown) => (error === undefined ? '' : `: ${String(error)}`);
