import { z } from 'zod';
import { integer, matching, section } from '../../../fields.js';
import { sasl, tls } from './kafka-security-schema.js';
import { payloads } from './payloads-schema.js';

const broker = matching('host:port', /^[^\s:/]+:\d{1,5}$/);

export const kafka = section({
  brokers: z
    .array(broker, { error: 'a list of addresses host:port' })
    .min(1, { error: 'a list of at least one address host:port' })
    .default(['localhost:9092'])
    .describe('Addresses of brokers of the cluster; one that answers is enough to find the others.'),
  tls,
  sasl,
  prefix: matching('a name of letters, digits, dots, hyphens and underscores', /^[a-zA-Z0-9._-]{1,150}$/)
    .optional()
    .describe(
      'Prefix of the topics of this run, as in `<prefix>.prompts`. A new run needs topics that no other run has used. Default: the name of the run.',
    ),
  partitions: integer(1, 10_000)
    .default(16)
    .describe(
      'Partitions of every work topic: the most samplers, or reward workers, that can work at once. A few more than workers spread the load more evenly.',
    ),
  replicationFactor: integer(1, 15)
    .optional()
    .describe('Replicas of every topic that is created. Default: that of the cluster.'),
  retentionHours: integer(1, 100_000)
    .default(168)
    .describe(
      'How long work topics keep a record: longer than a run may be stopped, and than rewards may take.',
    ),
  maxInlineBytes: integer(1024, 64 * 2 ** 20)
    .default(250_000)
    .describe(
      'Larger payloads go to the payload store, and the record carries a claim on them; an inline one larger than `maxBatchBytes` is written alone.',
    ),
  maxBatchBytes: integer(1024, 64 * 2 ** 20)
    .default(4_000_000)
    .describe(
      'Most bytes of waiting messages that are written as one batch. Larger batches raise throughput; topics are created to accept them (`max.message.bytes`).',
    ),
  maxPayloadBytes: integer(1024, 2 ** 31 - 1)
    .default(256 * 2 ** 20)
    .describe('Larger payloads are rejected unread and become dead letters. This bounds memory.'),
  payloads,
}).describe('How the run uses a Kafka cluster; not read unless kind is kafka.');
