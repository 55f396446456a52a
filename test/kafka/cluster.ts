/** @file The cluster that the tests of this folder run against: global-setup.ts finds or starts it. */
import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { inject } from 'vitest';
import { connectKafkaJs } from '../../src/streams/transport/kafka/kafkajs/driver.js';
import type { LogDriver } from '../../src/streams/transport/kafka/log-driver.js';

export const BROKERS = inject('kafkaBrokers');

/** Why there is nothing to test against; null where there is. */
export const SKIP_REASON = BROKERS.length > 0 ? null : 'no cluster';

export function connect(): Promise<LogDriver> {
  return connectKafkaJs({ brokers: BROKERS, clientId: 'test', log: () => undefined });
}

/** A prefix that no other test has. */
export const freshPrefix = () => `test-${randomUUID()}`;

/** Waits until a consumer group is at rest with so many members. */
export async function groupOf(consumerGroup: string, members: number): Promise<void> {
  const admin = new Kafka({ brokers: BROKERS, clientId: 'test-admin', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    for (;;) {
      const { groups } = await admin.describeGroups([consumerGroup]);
      const [group] = groups;
      if (group?.state === 'Stable' && group.members.length === members) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await admin.disconnect();
  }
}
