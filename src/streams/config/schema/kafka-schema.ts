import * as z from 'zod';
import { integer, matching, section } from '../../../fields.js';
import { sasl, tls } from './kafka-security-schema.js';
import { payloads } from './payloads-schema.js';

const broker = matching('host:port', /^[^\s:/,]+:\d{1,5}$/);

export const kafka = section({
  brokers: z
    .array(broker, { error: 'a list of addresses host:port' })
    .min(1, { error: 'a list of at least one address host:port' })
    .optional()
    .describe(
      'Broker addresses; one that answers is enough to find the rest of the cluster. Default: those in the environment variable TRIBUTARY_KAFKA_BROKERS, with commas between them, else `localhost:9092`.',
    ),
  tls,
  sasl,
  prefix: matching('a name of letters, digits, dots, hyphens and underscores', /^[a-zA-Z0-9._-]{1,150}$/)
    .optional()
    .describe(
      'Prefix of the topic names, as in `<prefix>.prompts`. A new run needs topics that no other run has used. Default: the name of the run.',
    ),
  partitions: integer(1, 10_000)
    .default(16)
    .describe(
      'Partitions of every work topic, which limits how many samplers or reward workers can work at once. A few more partitions than workers spread the load more evenly.',
    ),
  replicationFactor: integer(1, 15)
    .optional()
    .describe('Replicas of every topic that is created. Default: the setting of the cluster.'),
  retentionHours: integer(1, 100_000)
    .default(168)
    .describe(
      'Hours that work topics keep a record. Must exceed the longest pause of the run and the longest wait for a reward.',
    ),
  maxInlineBytes: integer(1024, 64 * 2 ** 20)
    .default(250_000)
    .describe(
      'Larger payloads go to the payload store, and the record carries a reference; an inline payload larger than `maxBatchBytes` is written in a batch of its own.',
    ),
  maxBatchBytes: integer(1024, 64 * 2 ** 20)
    .default(4_000_000)
    .describe(
      'Maximum bytes of messages that are written as one batch. Larger batches raise throughput; topics are created to accept them (`max.message.bytes`).',
    ),
  maxPayloadBytes: integer(1024, 2 ** 31 - 1)
    .default(256 * 2 ** 20)
    .describe('Larger payloads are rejected unread and become dead letters. Bounds memory.'),
  payloads,
}).describe('How the run uses a Kafka cluster; not read unless kind is kafka.');
