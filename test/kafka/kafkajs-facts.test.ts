/** @file What kafkajs and the brokers do that a good guess misses, where this program rests on it. */

import { Kafka, logLevel } from 'kafkajs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { LogDriver, TopicPlan } from '../../src/streams/transport/kafka/log-driver.js';
import { faultOf } from '../fixtures/fault-of.js';
import { BROKERS, connect, freshPrefix, groupOf, SKIP_REASON } from './cluster.js';
import { joinByNewProtocol } from './new-protocol-member.js';

const RECORD = { key: 'k', value: Buffer.from('v'), headers: {} };

const planOf = (topic: string): TopicPlan => ({
  topic,
  numPartitions: 1,
  cleanupPolicy: 'delete',
  maxMessageBytes: 1_000_000,
});

async function driverWith(topics: readonly string[]): Promise<LogDriver> {
  const driver = await connect();
  onTestFinished(() => driver.close());
  await driver.ensureTopics(topics.map(planOf));
  return driver;
}

const client = () => new Kafka({ brokers: BROKERS, clientId: 'facts', logLevel: logLevel.NOTHING });

/** Resolves when the broker no longer knows the topic, which takes a busy one a while longer than its answer. */
async function deleteTopic(topic: string): Promise<void> {
  const admin = client().admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await vi.waitFor(async () => expect(await admin.listTopics()).not.toContain(topic), { timeout: 10_000 });
  await admin.disconnect();
}

describe.skipIf(SKIP_REASON !== null)('kafkajs', () => {
  it('should set no timer for a moment in the past once it is told to rest', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => timers.mockRestore());
    await driverWith([freshPrefix()]);
    expect(timers.mock.calls.map(([, ms]) => ms ?? 0).filter((ms) => ms < 0)).toEqual([]);
  });

  it('should take a name with the first transaction, not with connect, and let the fenced one send outside', async () => {
    const topic = freshPrefix();
    const driver = await driverWith([topic]);
    const producers = await Promise.all(
      [1, 2].map(async () => {
        const producer = client().producer({
          transactionalId: topic,
          idempotent: true,
          maxInFlightRequests: 1,
          retry: { retries: 5, initialRetryTime: 20 },
        });
        await producer.connect();
        onTestFinished(() => producer.disconnect());
        return producer;
      }),
    );
    const [old, young] = producers;
    if (!old || !young) throw new Error('expected two producers');
    const write = async (producer: typeof old) => {
      const transaction = await producer.transaction();
      try {
        await transaction.send({ topic, messages: [{ value: 'in a transaction' }] });
        await transaction.commit();
      } catch (error) {
        await transaction.abort().catch(() => undefined);
        throw error;
      }
    };
    await (await old.transaction()).abort();
    // Both are connected under one name, and the older one still has it.
    await write(old);
    await (await young.transaction()).abort();
    await expect(write(old)).rejects.toThrow(/newer epoch|fenced|producer with the same transactionalId/i);
    const before = (await driver.endOffsets(topic)).get(0) ?? 0n;
    await old.send({ topic, messages: [{ value: 'outside' }] });
    expect((await driver.endOffsets(topic)).get(0)).toBe(before + 1n);
  });

  it('should let a writer that lost its name write nothing, whatever the topic', async () => {
    const topics = [freshPrefix(), freshPrefix()];
    const driver = await driverWith(topics);
    const [old, young] = [await driver.openExclusiveWriter('name'), await driver.openExclusiveWriter('name')];
    onTestFinished(async () => void (await Promise.all([old.close(), young.close()])));
    for (const topic of topics)
      expect(await faultOf(() => old.append(topic, RECORD))).toEqual([
        'TRIB_USAGE',
        expect.stringContaining('got another process that has taken over'),
      ]);
    expect(
      (await Promise.all(topics.map((topic) => driver.endOffsets(topic)))).map(({ size }) => size),
    ).toEqual([0, 0]);
  });

  it.each([
    ['producer', async (driver: LogDriver) => (topic: string) => driver.append(topic, [RECORD])],
    [
      'transactional producer',
      async (driver: LogDriver) => {
        const writer = await driver.openExclusiveWriter(freshPrefix());
        onTestFinished(() => writer.close());
        return (topic: string) => writer.append(topic, RECORD);
      },
    ],
  ])(
    'should not leave it at that where a %s wrote to a topic that was deleted, and begins with no other',
    async (_, open) => {
      const [kept, gone, fresh] = [freshPrefix(), freshPrefix(), freshPrefix()];
      const driver = await driverWith([kept, gone, fresh]);
      const append = await open(driver);
      await append(kept);
      await append(gone);
      await deleteTopic(gone);
      await append(kept);
      expect(await faultOf(() => append(fresh))).toEqual([
        'TRIB_TRANSPORT',
        expect.stringContaining(
          `kafka topic "${gone}": expected it in the cluster, as this process has written to it`,
        ),
      ]);
      // What is still tried inside then ends.
      await driver.ensureTopics([planOf(gone)]);
    },
  );

  it('should not take a group for empty that a member of the newer protocol has joined', async () => {
    const [topic, group] = [freshPrefix(), freshPrefix()];
    const driver = await driverWith([topic]);
    expect(await driver.membersOf(group)).toEqual([]);
    await driver.consume({
      topic,
      consumerGroup: group,
      onRecords: async (records) => records.length,
      onAssigned: () => new Map(),
      onFault: () => undefined,
    });
    await groupOf(group, 1);
    expect(await driver.membersOf(group)).toEqual(['test']);
    const admin = client().admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    const { brokers } = await admin.describeCluster();
    onTestFinished(await joinByNewProtocol(brokers, group, topic));
    const { groups } = await admin.describeGroups([group]);
    expect(groups.map(({ state, members }) => [state, members.length])).toEqual([['Dead', 0]]);
    expect(await faultOf(() => driver.membersOf(group))).toEqual([
      'TRIB_TRANSPORT',
      expect.stringContaining(`kafka group "${group}": expected members of the classic protocol`),
    ]);
  });
});
