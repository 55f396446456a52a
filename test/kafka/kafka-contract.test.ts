import { describe, it } from 'vitest';
import { createKafkaTransport } from '../../src/streams/transport/kafka/kafka-transport.js';
import type { TopicCodec } from '../../src/streams/transport/kafka/topic-codec.js';
import { CONTRACT_TOPICS, type ContractMessages, MAX_ATTEMPTS } from '../contracts/contract-parts.js';
import { describeTransport } from '../contracts/transport-contract.js';
import { connect, freshPrefix, groupOf, SKIP_REASON } from './cluster.js';

/** JSON, with Float32 arrays as their bytes: what the contract sends. */
const codec: TopicCodec = {
  async write(_, message, headers) {
    if (!(message instanceof Float32Array)) return { value: Buffer.from(JSON.stringify(message)), headers };
    return { value: Buffer.from(message.buffer), headers: { ...headers, type: 'float32' } };
  },
  async read(_, { value, headers }) {
    return headers.type === 'float32'
      ? new Float32Array(new Uint8Array(value).buffer)
      : JSON.parse(Buffer.from(value).toString('utf8'));
  },
  claim: () => Promise.reject(new Error('no record here is too large')),
};

let prefix = '';

if (SKIP_REASON !== null)
  describe('transport kafka', () => it.skip(`(skipped: ${SKIP_REASON})`, () => undefined));
else
  describeTransport('kafka', {
    create: async () => {
      prefix = freshPrefix();
      return createKafkaTransport<ContractMessages>({
        driver: await connect(),
        prefix,
        topics: CONTRACT_TOPICS,
        codec,
        numPartitions: 4,
        maxMessageBytes: 1_000_000,
        maxAttempts: MAX_ATTEMPTS,
        deadLettersTopic: 'dead-letters',
        onUnreadable: () => undefined,
      });
    },
    shared: (consumerGroup, members) => groupOf(`${prefix}.work.${consumerGroup}`, members),
    skip: [
      {
        reason: 'a log has no capacity',
        tests: [
          'make publishers wait at the capacity, then resume in order',
          'complete every stream on close, and leave nobody waiting',
        ],
      },
    ],
  });
