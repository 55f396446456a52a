import { z } from 'zod';
import { integer, section } from '../../../fields.js';
import { sasl, tls } from './kafka-security-schema.js';
import { payloads } from './payloads-schema.js';

const broker = z.string({ error: 'host:port' }).regex(/^[^\s:/]+:\d{1,5}$/, { error: 'host:port' });

/** How a run uses a Kafka cluster; read only where `transport.kind` is `kafka`. */
export const kafka = section({
  brokers: z
    .array(broker, { error: 'a list of addresses host:port' })
    .min(1, { error: 'a list of at least one address host:port' })
    .default(['localhost:9092'])
    .describe('Addresses of brokers of the cluster; one that answers is enough to find the others.'),
  tls,
  sasl,
  prefix: z
    .string({ error: 'a name of letters, digits, dots, hyphens and underscores' })
    .regex(/^[a-zA-Z0-9._-]{1,150}$/, { error: 'a name of letters, digits, dots, hyphens and underscores' })
    .optional()
    .describe(
      'What the topics of this run begin with: `<prefix>.prompts` and so on. A new run needs topics that no other has used. Default: the name of the run.',
    ),
  partitions: integer(1, 10_000)
    .default(16)
    .describe(
      'Partitions of every topic of work: the most samplers, or reward workers, that can work at one time. Some more than workers spread the load more evenly.',
    ),
  replicationFactor: integer(1, 15)
    .optional()
    .describe('Copies of every topic that is created. Default: as the cluster says.'),
  retentionHours: integer(1, 100_000)
    .default(168)
    .describe(
      'How long the topics of work keep a record: longer than the longest stop of a run, and than rewards may take.',
    ),
  maxInlineBytes: integer(1024, 64 * 2 ** 20)
    .default(250_000)
    .describe(
      'Payloads above so many bytes go to the payload store, and the record carries a claim of them; one that is larger than `maxBatchBytes` is written alone.',
    ),
  maxBatchBytes: integer(1024, 64 * 2 ** 20)
    .default(4_000_000)
    .describe(
      'Bytes of messages that are written at once, where so many wait: more carry more a second, and the topics are made to take as much (`max.message.bytes`).',
    ),
  maxPayloadBytes: integer(1024, 2 ** 31 - 1)
    .default(256 * 2 ** 20)
    .describe('Payloads of more bytes are refused unread and become dead letters. It bounds memory.'),
  payloads,
}).describe('How the run uses a Kafka cluster; read only where kind is kafka.');
