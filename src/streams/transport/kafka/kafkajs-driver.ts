/** @file The one file that names kafkajs. */
import { setTimeout as wait } from 'node:timers/promises';
import kafkajs, {
  type Admin,
  type Consumer,
  type KafkaConfig,
  type KafkaMessage,
  type Producer,
} from 'kafkajs';
import { TributaryError } from '../../../errors.js';
import type { Headers } from '../transport.js';
import type {
  ConsumeOptions,
  ExclusiveWriter,
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

// Its exports are made in a way that Node cannot see by name.
const { ConfigResourceTypes, Kafka, logLevel, Partitioners } = kafkajs;
type Kafka = kafkajs.Kafka;

/** What the client logs as errors, and then does again or throws: answers of brokers, rebalances, members that come back. */
const EVERYDAY = /^(Response |Failed to send messages|The group is rebalancing|The coordinator is not aware)/;
/** Brokers are still writing the marks of the transaction before: a matter of milliseconds. */
const TRANSACTION_RETRY = { initialRetryTime: 20, maxRetryTime: 5000, retries: Number.MAX_SAFE_INTEGER };
/** Bytes of one fetch from one partition: a few of the largest records. */
const MAX_BYTES_PER_PARTITION = 8 * 2 ** 20;
/** A member that died is one for so long; the event loop is never as busy as that. */
const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1000;
const PAUSE_MS = 250;

/** Connects to a cluster. **Errors**: TRIB_TRANSPORT where no broker answers. */
export async function connectKafkaJs({ log, ...config }: KafkaJsOptions): Promise<LogDriver> {
  const kafka = new Kafka({
    ...config,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => {
      if (EVERYDAY.test(entry.log.message)) return;
      log(
        entry.level === logLevel.ERROR ? 'error' : 'warn',
        `kafka: ${entry.log.message}${detailOf(entry.log.error)}`,
      );
    },
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
    openExclusiveWriter: (name) => coded(`writer "${name}"`, () => openExclusiveWriter(kafka, name)),
    membersOf: (consumerGroup) =>
      coded(`group "${consumerGroup}"`, async () => {
        const { groups } = await admin.describeGroups([consumerGroup]);
        return groups.flatMap(({ members }) => members.map(({ clientId }) => clientId));
      }),
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

async function ensureTopics(admin: Admin, plans: readonly TopicPlan[]): Promise<void> {
  const there = await admin.listTopics();
  const missing = plans.filter(({ topic }) => !there.includes(topic));
  // False says that another process was first.
  await patiently(() =>
    admin.createTopics({
      waitForLeaders: true,
      topics: missing.map(({ topic, numPartitions, cleanupPolicy, maxMessageBytes }) => ({
        topic,
        numPartitions,
        configEntries: [
          { name: 'cleanup.policy', value: cleanupPolicy },
          { name: 'max.message.bytes', value: String(maxMessageBytes) },
        ],
      })),
    }),
  );
  const { topics } = await patiently(() =>
    admin.fetchTopicMetadata({ topics: plans.map(({ topic }) => topic) }),
  );
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

async function append(
  producer: Pick<Producer, 'send'>,
  topic: string,
  records: readonly NewRecord[],
): Promise<void> {
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

/** What the brokers say to a writer whose name was taken. */
const TAKEN = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING'];

async function openExclusiveWriter(kafka: Kafka, name: string): Promise<ExclusiveWriter> {
  const producer = kafka.producer({
    transactionalId: name,
    retry: TRANSACTION_RETRY,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  // The brokers give the name with the first transaction: an empty one takes it here, and not at the first record.
  await (await producer.transaction()).abort();
  const write = async (topic: string, record: NewRecord) => {
    const transaction = await producer.transaction();
    try {
      await append(transaction, topic, [record]);
      await transaction.commit();
    } catch (error) {
      // Where the name was taken, the brokers have ended the transaction.
      await transaction.abort().catch(() => undefined);
      throw error;
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    append(topic, record) {
      const written = last
        .then(() => write(topic, record))
        .catch((error: unknown) => {
          throw isTaken(error) ? takenFault(name, error) : codedFault(`topic "${topic}"`, error);
        });
      last = written.catch(() => undefined);
      return written;
    },
    close: async () => {
      await last;
      await producer.disconnect();
    },
  };
}

function isTaken(error: unknown): boolean {
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  return TAKEN.includes(type);
}

function takenFault(name: string, cause: unknown): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `kafka writer "${name}": expected to be the only one, got another process that has taken over. Stop one of the two.`,
    { cause },
  );
}

async function consume(kafka: Kafka, options: ConsumeOptions): Promise<LogConsumer> {
  const { topic, consumerGroup, onRecords, onAssigned, onPosition, onFault } = options;
  const consumer: Consumer = kafka.consumer({
    groupId: consumerGroup,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    maxWaitTimeInMs: 100,
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

/** Tries again what the client does not: a topic that was just made may have no leader yet. */
async function patiently<Result>(work: () => Promise<Result>, attempts = 20): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (attempts === 1 || !isRetriable(error)) throw error;
    await wait(PAUSE_MS);
    return patiently(work, attempts - 1);
  }
}

const isRetriable = (error: unknown) =>
  error instanceof Error && 'retriable' in error && error.retriable === true;

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
  return new TributaryError(
    'TRIB_TRANSPORT',
    `kafka ${where}: expected the cluster to answer, got: ${message}. Check transport.brokers, and that the cluster is up.`,
    { retryable: isRetriable(error), cause: error },
  );
}

const detailOf = (error: unknown) => (error === undefined ? '' : `: ${String(error)}`);
