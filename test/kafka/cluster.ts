/** @file The cluster that the tests of this folder run against: global-setup.ts finds or starts it. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { inject } from 'vitest';
import { connectKafkaJs } from '../../src/streams/transport/kafka/kafkajs/driver.js';
import type { LogDriver } from '../../src/streams/transport/kafka/log-driver.js';
import type { FoundCluster } from './global-setup.js';

/** Waits for the cluster, which is started while other tests run. */
async function foundCluster(): Promise<FoundCluster> {
  const file = inject('kafkaCluster');
  while (!existsSync(file)) await wait(50);
  const cluster = JSON.parse(await readFile(file, 'utf8')) as FoundCluster;
  if (cluster.fault !== null) throw new Error(cluster.fault);
  return cluster;
}

const { brokers, security } = await foundCluster();

export const BROKERS = [...brokers];
/** Its listeners with TLS and SASL; null where it is not the one on loopback. */
export const SECURITY = security;

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
