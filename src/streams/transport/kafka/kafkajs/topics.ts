/** @file Creates missing topics, and checks existing ones. */
import { setTimeout as wait } from 'node:timers/promises';
import { TributaryError } from '../../../../errors.js';
import { mayPass } from '../cluster-fault.js';
import type { TopicPlan } from '../log-driver.js';
import { type Admin, ConfigResourceTypes, type ITopicConfig } from './client.js';

/** For requests about topics that the brokers may not know yet. */
const TOPIC_PATIENCE_MS = 30_000;
const PAUSE_MS = 250;

/** Creates missing topics, and fails if an existing one has other settings than planned. */
export async function ensureTopics(admin: Admin, plans: readonly TopicPlan[]): Promise<void> {
  const there = await admin.listTopics();
  const missing = plans.filter(({ topic }) => !there.includes(topic));
  // It resolves to false if another process was first.
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

function newTopic(plan: TopicPlan): ITopicConfig {
  const { topic, numPartitions, cleanupPolicy, maxMessageBytes, replicationFactor, retentionHours } = plan;
  const settings = {
    'cleanup.policy': cleanupPolicy,
    'max.message.bytes': maxMessageBytes,
    // With three copies one broker may be lost, and accepted records still exist on another one.
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

/**
 * Retries requests about topics while their errors may pass: brokers learn of a new topic or leader with a delay, and kafkajs
 * does not wait for that everywhere.
 */
export async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + TOPIC_PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadline || !mayPass(error)) throw error;
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
