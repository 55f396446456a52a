/** @file The one file that names kafkajs. */
import { setTimeout as wait } from 'node:timers/promises';
import kafkajs, {
  type Admin,
  type Consumer,
  type ITopicConfig,
  type Kafka,
  type KafkaConfig,
  type KafkaMessage,
  type Producer,
  type SASLOptions,
} from 'kafkajs';
import { TributaryError } from '../../../errors.js';
import type { Headers } from '../transport.js';
import { coded, codedFault, mayPass } from './cluster-fault.js';
import type { KafkaSecurity } from './kafka-security.js';
import { KeyOrder } from './key-order.js';
import type {
  ConsumeOptions,
  LogConsumer,
  LogDriver,
  LogRecord,
  NewRecord,
  TopicPlan,
} from './log-driver.js';

// A CommonJS module, of which Node finds no names by itself.
const { ConfigResourceTypes, logLevel, Partitioners } = kafkajs;

export interface KafkaJsOptions extends KafkaSecurity {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Takes what the client has to say, from warnings on. */
  readonly log: (level: 'warn' | 'error', message: string) => void;
}

/** Of questions about topics that the brokers have just heard of, or not yet. */
const TOPIC_PATIENCE_MS = 30_000;
/** Bytes of one fetch from one partition: a few of the largest records. */
const MAX_BYTES_PER_PARTITION = 8 * 2 ** 20;
const SESSION_TIMEOUT_MS = 30_000;
const HEARTBEAT_INTERVAL_MS = 1000;

/** Attempts at a first connection; the addresses take turns. */
const FIRST_ATTEMPTS = 4;
const PAUSE_MS = 250;
/** Of all attempts at a first connection together, without the pauses. */
const FIRST_CONNECTION_MS = 10_000;
/** Of a later connection, to a broker that may be starting. */
const CONNECTION_TIMEOUT_MS = 5000;
/** Waits for 0.3, 0.6, 1.2 s and so on: a broker that is lost may come back, or another one lead. */
const LATER_RETRIES = { retries: 10, maxRetryTime: 10_000 };

/**
 * Connects to a cluster.
 *
 * **Time**: errs within 15 s where no broker answers; later faults that may pass are retried for about a minute.
 *
 * **Errors**: TRIB_TRANSPORT where no broker answers, `retryable`, or where the cluster refuses the user.
 */
export async function connectKafkaJs(options: KafkaJsOptions): Promise<LogDriver> {
  await requireBroker(options);
  const kafka = clientOf(options, { connectionTimeout: CONNECTION_TIMEOUT_MS, retry: LATER_RETRIES });
  const admin = kafka.admin();
  // Not idempotent: after a send that failed for good kafkajs uses its sequence number again, and where that send had
  // arrived after all, the cluster takes the next record for a repetition of it, says yes, and drops it.
  const producer = kafka.producer({
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const appends = new KeyOrder();
  const consumers = new Set<LogConsumer>();
  await coded(`brokers ${options.brokers.join(', ')}`, async () => {
    await admin.connect();
    await producer.connect();
  });
  return {
    ensureTopics: (plans) => coded('topics', () => patiently(() => ensureTopics(admin, plans))),
    append: (topic, records) =>
      appends.afterThose(
        records.map(({ key }) => `${topic}/${key}`),
        () => coded(`topic "${topic}"`, () => append(producer, topic, records)),
      ),
    endOffsets: (topic) =>
      coded(`topic "${topic}"`, async () => {
        const offsets = await patiently(() => admin.fetchTopicOffsets(topic));
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

function clientOf(
  { brokers, clientId, ssl, sasl, log }: KafkaJsOptions,
  patience: Pick<KafkaConfig, 'connectionTimeout' | 'requestTimeout' | 'retry'>,
): Kafka {
  return new kafkajs.Kafka({
    ...patience,
    brokers: [...brokers],
    clientId,
    ...(ssl ? { ssl: { ...ssl } } : {}),
    // A copy, since kafkajs writes into it. Its type has one mapping for each mechanism.
    ...(sasl ? { sasl: { ...sasl } as SASLOptions } : {}),
    logLevel: logLevel.WARN,
    logCreator: () => (entry) =>
      log(
        entry.level === logLevel.ERROR ? 'error' : 'warn',
        `kafka: ${entry.log.message}${detailOf(entry.log.error)}`,
      ),
  });
}

/**
 * Connects with little patience and lets go: a wrong address or password shows here. Each attempt is a client of its own,
 * because kafkajs takes a connection for a good one when its first request has timed out.
 */
async function requireBroker(options: KafkaJsOptions): Promise<void> {
  const { brokers } = options;
  const attempts = Math.max(FIRST_ATTEMPTS, brokers.length);
  const timeout = Math.ceil(FIRST_CONNECTION_MS / attempts);
  const patience = { connectionTimeout: timeout, requestTimeout: timeout, retry: { retries: 0 } };
  for (let attempt = 1; ; attempt++) {
    const broker = brokers.slice((attempt - 1) % brokers.length).slice(0, 1);
    const probe = clientOf({ ...options, brokers: broker }, patience).admin();
    try {
      return await coded(`brokers ${brokers.join(', ')}`, () =>
        probe.connect().finally(() => probe.disconnect()),
      );
    } catch (error) {
      if (attempt === attempts || !(error instanceof TributaryError && error.retryable)) throw error;
      await wait(PAUSE_MS);
    }
  }
}

function newTopic(plan: TopicPlan): ITopicConfig {
  const { topic, numPartitions, cleanupPolicy, maxMessageBytes, replicationFactor, retentionHours } = plan;
  const settings = {
    'cleanup.policy': cleanupPolicy,
    'max.message.bytes': maxMessageBytes,
    // With three copies one broker may be gone, and what was accepted still lies on another one.
    ...(replicationFactor === undefined ? {} : { 'min.insync.replicas': Math.max(1, replicationFactor - 1) }),
    ...(retentionHours === undefined ? {} : { 'retention.ms': retentionHours * 3_600_000 }),
  };
  return {
    topic,
    numPartitions,
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    configEntries: Object.entries(settings).map(([name, value]) => ({ name, value: String(value) })),
  };
}

async function ensureTopics(admin: Admin, plans: readonly TopicPlan[]): Promise<void> {
  const there = await admin.listTopics();
  const missing = plans.filter(({ topic }) => !there.includes(topic));
  // False says that another process was first.
  await admin.createTopics({
    waitForLeaders: false,
    topics: missing.map(newTopic),
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

/**
 * Does work anew that asks the brokers about topics, while they say what may pass: they hear of a topic that was created,
 * or of a new leader, some time later, and kafkajs does not wait for that everywhere.
 */
async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  const deadline = Date.now() + TOPIC_PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline || !mayPass(error)) throw error;
      await wait(PAUSE_MS);
    }
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

const detailOf = (error: unknown) => (error === undefined ? '' : `: ${String(error)}`);
