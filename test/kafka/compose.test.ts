import { readFileSync } from 'node:fs';
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { BROKERS, SKIP_REASON } from './cluster.js';

/** As the image of Apache Kafka reads its environment. */
const settingOf = (variable: string) =>
  variable
    .replace(/^KAFKA_/, '')
    .toLowerCase()
    .replaceAll('_', '.');

it.skipIf(SKIP_REASON !== null)(
  'should set nothing in docker-compose.yml that a broker does not know',
  async () => {
    const { services } = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
      readonly services: { readonly kafka: { readonly environment: Readonly<Record<string, unknown>> } };
    };
    const admin = new Kafka({ brokers: BROKERS, clientId: 'test', logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    const { brokers } = await admin.describeCluster();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.BROKER, name: String(brokers[0]?.nodeId) }],
    });
    const known = resources.flatMap(({ configEntries }) => configEntries.map(({ configName }) => configName));
    expect(known).toEqual(expect.arrayContaining(Object.keys(services.kafka.environment).map(settingOf)));
  },
);
