import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, describe, expect, it } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import { createKafkaTransport } from '../../src/streams/transport/kafka/kafka-transport.js';
import { connectKafkaJs } from '../../src/streams/transport/kafka/kafkajs/driver.js';
import type { TopicCodec } from '../../src/streams/transport/kafka/topic-codec.js';
import { freshPrefix } from './cluster.js';

type Messages = { work: { key: string; number: number }; 'dead-letters': unknown };
interface Node {
  readonly id: number;
  readonly port: number;
  readonly pid: number;
}

const isAsked = process.env.KAFKA_FAILOVER === '1';
const FOLDER = '.cache/kafka-3';
const KEYS = ['a', 'b', 'c', 'd'];
const PER_KEY = 150;

const codec: TopicCodec = {
  write: async (_, message, headers) => ({ value: Buffer.from(JSON.stringify(message)), headers }),
  read: async (_, { value }) => JSON.parse(Buffer.from(value).toString('utf8')),
  claim: () => Promise.reject(new Error('no record here is too large')),
};

function tool(...words: string[]): void {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['tools/kafka/kafka.mjs', ...words, '--folder', FOLDER],
    {
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(stderr);
}

const nodes = () => (JSON.parse(readFileSync(`${FOLDER}/cluster.json`, 'utf8')) as { nodes: Node[] }).nodes;

async function leaderOf(topic: string, brokers: string[]): Promise<Node> {
  const admin = new Kafka({ brokers, clientId: 'test', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  await admin.disconnect();
  const leader = nodes().find(({ id }) => id === topics[0]?.partitions[0]?.leader);
  if (!leader) throw new Error(`${topic} has no leader`);
  return leader;
}

describe.skipIf(!isAsked)(`three brokers${isAsked ? '' : ' (skipped: KAFKA_FAILOVER is not 1)'}`, () => {
  afterAll(() => tool('down'));

  it('should lose no accepted message and no order when the leader is killed', async () => {
    tool('up', '--nodes', '3');
    const brokers = nodes().map(({ port }) => `127.0.0.1:${port}`);
    const prefix = freshPrefix();
    const transport = await createKafkaTransport<Messages>({
      driver: await connectKafkaJs({ brokers, clientId: 'test', log: () => undefined }),
      prefix,
      topics: [
        { name: 'work', kind: 'queue', capacity: 64 },
        { name: 'dead-letters', kind: 'queue', capacity: 64 },
      ],
      codec,
      numPartitions: 1,
      replicationFactor: 3,
      maxMessageBytes: 1_000_000,
      maxAttempts: 3,
      deadLettersTopic: 'dead-letters',
      onUnreadable: () => undefined,
    });
    const accepted = new Set<string>();
    const refused: unknown[] = [];
    const received = new Map<string, number[]>(KEYS.map((key) => [key, []]));
    let onReceived = () => {};
    transport
      .subscribe({ topic: 'work', consumerGroup: 'group', maxInFlight: 16 })
      .subscribe(({ message: { key, number }, ack }) => {
        received.get(key)?.push(number);
        ack();
        onReceived();
      });

    let killed: Promise<void> | null = null;
    const kill = async () => {
      process.kill((await leaderOf(`${prefix}.work`, brokers)).pid, 'SIGKILL');
    };
    const publishAll = async (key: string) => {
      for (let number = 0; number < PER_KEY; number++) {
        if (number === PER_KEY / 3) killed ??= kill();
        await transport.publish('work', { key, message: { key, number } }).then(
          () => accepted.add(`${key}${number}`),
          (error: unknown) => refused.push(error),
        );
      }
    };
    await Promise.all(KEYS.map(publishAll));
    await killed;
    const missing = () => {
      const there = new Set(
        [...received].flatMap(([key, numbers]) => numbers.map((number) => `${key}${number}`)),
      );
      return [...accepted].filter((one) => !there.has(one));
    };
    await new Promise<void>((done) => {
      onReceived = () => void (missing().length === 0 && done());
      onReceived();
    });
    tool('restart');
    expect(accepted.size + refused.length).toBe(KEYS.length * PER_KEY);
    expect(accepted.size).toBeGreaterThan((KEYS.length * PER_KEY) / 2);
    for (const error of refused) {
      expect(error).toBeInstanceOf(TributaryError);
      expect(error).toMatchObject({ code: 'TRIB_TRANSPORT', retryable: true });
    }
    for (const numbers of received.values()) {
      // A message that comes again may be behind its successors; the first time of each is in order.
      const firsts = [...new Set(numbers)];
      expect(firsts).toEqual(firsts.toSorted((one, other) => one - other));
    }
    await transport.close();
  }, 150_000);
});
