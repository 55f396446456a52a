import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { brokersOf } from '../config/resolved/brokers.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { TopicName } from '../messages/topics.js';
import { kafkaSecurity, kafkaSecurityWarning } from './kafka/kafka-security.js';
import type { LogDriver } from './kafka/log-driver.js';
import { processName } from './process-name.js';

export interface OpenKafka {
  readonly driver: LogDriver;
  /** Prefix of the run's topics. */
  readonly prefix: string;
  /** The name of a topic in the cluster. */
  inCluster(topic: TopicName): string;
}

/**
 * Connects to the cluster that a config names.
 *
 * Errors: TRIB_USAGE if the config names none; TRIB_CONFIG or TRIB_FILE if a secret or a certificate is missing;
 * TRIB_TRANSPORT if no broker answers.
 */
export async function openKafka(
  { name, transport: { kind, kafka }, topics }: ResolvedConfig,
  warn: (message: string) => void,
): Promise<OpenKafka> {
  if (kind !== 'kafka')
    throw new TributaryError(
      'TRIB_USAGE',
      `config ${name} transport.kind: expected kafka, got ${kind}. Set it, or add --set transport.kind=kafka.`,
    );
  const warning = kafkaSecurityWarning(kafka);
  if (warning !== null) warn(warning);
  const prefix = kafka.prefix ?? name;
  // Loaded on demand: other runs do not need it.
  const { connectKafkaJs } = await import('./kafka/kafkajs/driver.js');
  const driver = await connectKafkaJs({
    brokers: [...brokersOf(kafka, process.env).addresses],
    clientId: processName(),
    maxBatchBytes: kafka.maxBatchBytes,
    log: (_, message) => warn(message),
    ...(await kafkaSecurity(kafka, { env: process.env, readFile: (path) => readFile(path, 'utf8') })),
  });
  return { driver, prefix, inCluster: (topic) => `${prefix}.${topics[topic] ?? topic}` };
}
