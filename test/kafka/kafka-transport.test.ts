import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { firstValueFrom, Subject, take, toArray } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import type { Delivery, Transport } from '../../src/streams/transport/contract/transport.js';
import { createKafkaTransport } from '../../src/streams/transport/kafka/kafka-transport.js';
import type { TopicCodec } from '../../src/streams/transport/kafka/topic-codec.js';
import { faultOf } from '../fixtures/fault-of.js';
import { BROKERS, connect, freshPrefix, SKIP_REASON } from './cluster.js';

type Messages = { work: string; state: string; 'dead-letters': string };

/** Text; `?` cannot be read. */
const codec: TopicCodec = {
  write: async (_, message, headers) => ({ value: Buffer.from(String(message)), headers }),
  read: async (_, { value }) => {
    const text = Buffer.from(value).toString('utf8');
    if (text === '?')
      throw new TributaryError('TRIB_MESSAGE', 'text: expected letters, got ?. Write letters.');
    return text;
  },
  claim: async ({ headers }) => ({ value: Buffer.from('claimed'), headers }),
};

const unread: string[] = [];
const open: Transport<Messages>[] = [];

async function transportOf(
  prefix: string,
  changes: {
    numPartitions?: number;
    maxMessageBytes?: number;
    replicationFactor?: number;
    retentionHours?: number;
  } = {},
) {
  const transport = await createKafkaTransport<Messages>({
    driver: await connect(),
    prefix,
    topics: [
      { name: 'work', kind: 'queue', capacity: 3 },
      { name: 'dead-letters', kind: 'queue', capacity: 64 },
      { name: 'state', kind: 'broadcast' },
    ],
    codec,
    numPartitions: 1,
    maxMessageBytes: 1_000_000,
    maxAttempts: 2,
    deadLettersTopic: 'dead-letters',
    onUnreadable: (topic) => unread.push(topic),
    ...changes,
  });
  open.push(transport);
  return transport;
}

const deliveries = (transport: Transport<Messages>, count: number, topic: 'work' | 'dead-letters' = 'work') =>
  firstValueFrom(
    transport.subscribe({ topic, consumerGroup: 'group', maxInFlight: 64 }).pipe(take(count), toArray()),
  );
const messagesOf = (list: readonly Delivery<string>[]) => list.map(({ message }) => message);

/** The first record of a topic as it lies there. */
async function firstRecordOf(topic: string) {
  const consumer = new Kafka({ brokers: BROKERS, clientId: 'test', logLevel: logLevel.NOTHING }).consumer({
    groupId: `${topic}.test`,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const first$ = new Subject<{ value: string; headers: Record<string, string> }>();
  const first = firstValueFrom(first$);
  await consumer.run({
    eachMessage: async ({ message: { value, headers = {} } }) =>
      first$.next({
        value: String(value),
        headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)])),
      }),
  });
  const record = await first;
  await consumer.disconnect();
  return record;
}

async function publishAll(transport: Transport<Messages>, messages: readonly string[]) {
  for (const message of messages) await transport.publish('work', { key: message, message });
}

describe.skipIf(SKIP_REASON !== null)(
  `transport kafka${SKIP_REASON ? ` (skipped: ${SKIP_REASON})` : ''}`,
  () => {
    afterEach(async () => {
      await Promise.all(open.splice(0).map((transport) => transport.close()));
    });

    it('should bring back all from the first unanswered message on, after the process is gone', async () => {
      const prefix = freshPrefix();
      const first = await transportOf(prefix);
      await publishAll(first, ['a', 'b', 'c', 'd']);
      const received: Delivery<string>[] = [];
      await new Promise<void>((done) => {
        first.subscribe({ topic: 'work', consumerGroup: 'group', maxInFlight: 64 }).subscribe((delivery) => {
          received.push(delivery);
          if (received.length === 4) done();
        });
      });
      for (const { message, ack } of received) if (message !== 'b') ack();
      await first.close();
      const second = await transportOf(prefix);
      expect(messagesOf(await deliveries(second, 3))).toEqual(['b', 'c', 'd']);
    });

    it('should read on where fetching rested because too many were waiting', async () => {
      const transport = await transportOf(freshPrefix());
      const messages = Array.from({ length: 12 }, (_, index) => `m${index}`);
      await publishAll(transport, messages);
      const received: string[] = [];
      await new Promise<void>((done) => {
        transport
          .subscribe({ topic: 'work', consumerGroup: 'group', maxInFlight: 1 })
          .subscribe(({ message, ack }) => {
            received.push(message);
            if (received.length === messages.length) done();
            setImmediate(ack);
          });
      });
      expect(received).toEqual(messages);
    });

    it('should move what cannot be read to the dead letters with its bytes, and go on', async () => {
      const prefix = freshPrefix();
      const transport = await transportOf(prefix);
      await publishAll(transport, ['a', '?', 'b']);
      expect(messagesOf(await deliveries(transport, 2))).toEqual(['a', 'b']);
      // The dead letters are bytes, and these can still not be read: they are told apart by their headers.
      const letter = await firstRecordOf(`${prefix}.dead-letters`);
      expect(letter.value).toBe('?');
      expect(letter.headers).toMatchObject({
        origin: 'work',
        stage: 'group',
        reason: 'text: expected letters, got ?. Write letters.',
        attempts: '1',
      });
    });

    it('should keep the newest state where a newer one cannot be read, and say so', async () => {
      const transport = await transportOf(freshPrefix());
      await transport.publish('state', { key: 'run', message: 'old' });
      await transport.publish('state', { key: 'run', message: '?' });
      expect(await firstValueFrom(transport.latest('state'))).toBe('old');
      expect(unread).toContain('state');
    });

    it('should give topics to whoever took them last, who finds all that was written before', async () => {
      const prefix = freshPrefix();
      const [first, second] = [await transportOf(prefix), await transportOf(prefix)];
      const publish = (transport: Transport<Messages>, message: string) =>
        transport.publish('state', { key: 'run', message });
      await first.takeTopics('writer', ['state']);
      await publish(first, 'a');
      await second.takeTopics('writer', ['state']);
      expect(await second.newest('state')).toBe('a');
      expect(await faultOf(() => publish(first, 'lost'))).toEqual([
        'TRIB_USAGE',
        expect.stringContaining('got another process that has taken over'),
      ]);
      expect(await second.newest('state')).toBe('a');
      await publish(second, 'b');
      expect(await first.newest('state')).toBe('b');
    });

    it('should let a name go that was taken before anything was written', async () => {
      const prefix = freshPrefix();
      const [first, second] = [await transportOf(prefix), await transportOf(prefix)];
      await first.takeTopics('writer', ['state']);
      await second.takeTopics('writer', ['state']);
      expect((await faultOf(() => first.publish('state', { key: 'run', message: 'a' })))[0]).toBe(
        'TRIB_USAGE',
      );
      expect(await second.newest('state')).toBeNull();
    });

    it('should refuse topics that are others than they must be', async () => {
      const prefix = freshPrefix();
      await transportOf(prefix);
      expect(await faultOf(() => transportOf(prefix, { numPartitions: 2 }))).toEqual([
        'TRIB_TRANSPORT',
        `topic "${prefix}.work" partitions: expected 2, got 1. Alter the topic, or choose another prefix.`,
      ]);
      expect((await faultOf(() => transportOf(prefix, { maxMessageBytes: 2_000_000 })))[1]).toContain(
        'max.message.bytes: expected at least 2000000, got 1000000.',
      );
      const admin = new Kafka({ brokers: BROKERS, clientId: 'test', logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const other = freshPrefix();
      // Made by someone else, without compaction.
      await admin.createTopics({
        // The client gives up on topics that not every broker knows yet.
        waitForLeaders: false,
        topics: [{ topic: `${other}.state`, numPartitions: 1 }],
      });
      await admin.disconnect();
      expect((await faultOf(() => transportOf(other)))[1]).toContain(
        'cleanup.policy: expected compact, got delete.',
      );
    });

    it('should keep new topics of work as long as it is told, and leave others as they are', async () => {
      const prefix = freshPrefix();
      await transportOf(prefix, { retentionHours: 2, replicationFactor: 1 });
      await transportOf(prefix, { retentionHours: 3 });
      const admin = new Kafka({ brokers: BROKERS, clientId: 'test', logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: ['work', 'state'].map((topic) => ({
          type: ConfigResourceTypes.TOPIC,
          name: `${prefix}.${topic}`,
          configNames: ['retention.ms'],
        })),
      });
      await admin.disconnect();
      const retention = resources.map(({ configEntries }) => configEntries[0]?.configValue);
      expect(retention).toEqual([String(2 * 3_600_000), String(7 * 24 * 3_600_000)]);
    });

    it('should read back all that a topic holds, acknowledged or not, but what cannot be read', async () => {
      const transport = await transportOf(freshPrefix(), { numPartitions: 3 });
      const held = async () => {
        const messages: string[] = [];
        await transport.readBack('work', (message) => messages.push(message));
        return messages.sort();
      };
      expect(await held()).toEqual([]);
      await publishAll(transport, ['a', '?', 'b', 'c']);
      for (const delivery of await deliveries(transport, 2)) delivery.ack();
      expect(await held()).toEqual(['a', 'b', 'c']);
      expect(await faultOf(() => transport.readBack('state', () => undefined))).toContain('TRIB_TRANSPORT');
    });

    it('should complete every stream on close', async () => {
      const transport = await transportOf(freshPrefix());
      const ended: string[] = [];
      transport
        .subscribe({ topic: 'work', consumerGroup: 'group', maxInFlight: 1 })
        .subscribe({ complete: () => ended.push('work') });
      transport.latest('state').subscribe({ complete: () => ended.push('state') });
      await transport.close();
      expect(ended.sort()).toEqual(['state', 'work']);
    });
  },
);
