import { TributaryError } from '../../../../errors.js';
import { coded } from '../cluster-fault.js';
import { groupAppends } from '../group-appends.js';
import type { LogConsumer, LogDriver } from '../log-driver.js';
import { type Admin, type KafkaJsOptions, openClient, Partitioners } from './client.js';
import { consume } from './consumer.js';
import { writtenTopics } from './deleted-topics.js';
import { ensureTopics, patiently } from './topics.js';
import { openExclusiveWriter, send } from './writer.js';

/** The records of a partition in one send are one batch, of which brokers take a megabyte by default. */
const BATCH_BYTES = 900_000;

interface ConnectOptions extends KafkaJsOptions {
  /** Bytes of records that are written at once, at most what the topics take. Default: what any topic takes. */
  readonly maxBatchBytes?: number;
}

/**
 * Connects to a cluster.
 *
 * Time: fails within 15 s if no broker answers; later errors that may pass are retried for about a minute.
 *
 * Errors: TRIB_TRANSPORT if no broker answers (`retryable`), or the cluster refuses the user.
 */
export async function connectKafkaJs(options: ConnectOptions): Promise<LogDriver> {
  const kafka = await openClient(options);
  const admin = kafka.admin();
  // Not idempotent: after a send that failed for good, kafkajs reuses its sequence number. If that send had arrived after
  // all, the cluster takes the next record for a repetition, confirms it, and drops it.
  const producer = kafka.producer({
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const written = writtenTopics(admin);
  const append = groupAppends({
    send: (records) =>
      coded(`topics ${[...records.keys()].join(', ')}`, () =>
        written.during(records.keys(), () => send(producer, records)),
      ),
    maxBytes: options.maxBatchBytes ?? BATCH_BYTES,
  });
  const consumers = new Set<LogConsumer>();
  await coded(`brokers ${options.brokers.join(', ')}`, async () => {
    await admin.connect();
    await producer.connect();
  });
  return {
    ensureTopics: (plans) => coded('topics', () => patiently(() => ensureTopics(admin, plans))),
    async append(topic, records) {
      await Promise.all(records.map((record) => append(topic, record)));
    },
    openExclusiveWriter: (name) =>
      coded(`writer "${name}"`, () => openExclusiveWriter(kafka, name, writtenTopics(admin))),
    membersOf: (consumerGroup) =>
      coded(`group "${consumerGroup}"`, () => patiently(() => membersOf(admin, consumerGroup))),
    endOffsets: (topic) =>
      coded(`topic "${topic}"`, async () => {
        const offsets = await patiently(() => admin.fetchTopicOffsets(topic));
        return new Map(
          offsets
            .filter(({ low, high }) => low !== high)
            .map(({ partition, high }) => [partition, BigInt(high)]),
        );
      }),
    lagOf: (topic, consumerGroup) =>
      coded(`group "${consumerGroup}"`, () => patiently(() => lagOf(admin, topic, consumerGroup))),
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

/**
 * Returns the names of the clients in a consumer group. kafkajs asks in the classic protocol. Once a member of the newer one
 * (KIP-848) has joined, the brokers answer with an empty group that is "Dead", however many live in it, classic ones
 * included. A group that does not exist is "Dead" too, but it is not listed.
 *
 * Errors: TRIB_TRANSPORT if a member of the newer protocol has joined.
 */
export async function membersOf(
  admin: Pick<Admin, 'describeGroups' | 'listGroups'>,
  consumerGroup: string,
): Promise<readonly string[]> {
  const { groups } = await admin.describeGroups([consumerGroup]);
  if (groups.some(({ state }) => state === 'Dead')) {
    const listed = await admin.listGroups();
    if (listed.groups.some(({ groupId }) => groupId === consumerGroup))
      throw new TributaryError(
        'TRIB_TRANSPORT',
        `kafka group "${consumerGroup}": expected members of the classic protocol, which can be counted, got one of the consumer protocol. Stop that consumer, or set transport.kafka.prefix to another name.`,
      );
  }
  return groups.flatMap(({ members }) => members.map(({ clientId }) => clientId));
}

async function lagOf(
  admin: Pick<Admin, 'fetchOffsets' | 'fetchTopicOffsets'>,
  topic: string,
  consumerGroup: string,
): Promise<number> {
  const [ends, groups] = await Promise.all([
    admin.fetchTopicOffsets(topic),
    admin.fetchOffsets({ groupId: consumerGroup, topics: [topic] }),
  ]);
  const committed = new Map(
    groups.flatMap(({ partitions }) => partitions.map((one) => [one.partition, one.offset])),
  );
  // Of a partition without a commit, the group reads all that the topic still holds.
  const next = (partition: number, low: string) =>
    Math.max(Number(low), Number(committed.get(partition) ?? low));
  return ends.reduce(
    (sum, { partition, low, high }) => sum + Math.max(0, Number(high) - next(partition, low)),
    0,
  );
}
