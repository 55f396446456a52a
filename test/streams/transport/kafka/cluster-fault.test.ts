import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { codedFault, mayPass } from '../../../../src/streams/transport/kafka/cluster-fault.js';

const { KafkaJSConnectionError, KafkaJSNonRetriableError } = kafkajs;

/** As kafkajs names it: not all of its classes are exported. */
const named = (name: string) =>
  Object.defineProperty(new KafkaJSNonRetriableError('Failed to find group coordinator'), 'name', {
    value: name,
  });

describe('mayPass', () => {
  it.each([
    [new KafkaJSConnectionError('away', {}), true],
    [named('KafkaJSNumberOfRetriesExceeded'), true],
    // Of a broker that has just started, while it makes its list of groups.
    [named('KafkaJSGroupCoordinatorNotFound'), true],
    [new KafkaJSNonRetriableError('final'), false],
    [named('KafkaJSSASLAuthenticationError'), false],
    [new TypeError('ours'), false],
  ])('should say of %s whether a later call may succeed: %s', (error, expected) => {
    expect(mayPass(error)).toBe(expected);
  });
});

describe('codedFault', () => {
  it('should name the place, and what to check', () => {
    expect(codedFault('topics', named('KafkaJSGroupCoordinatorNotFound'))).toMatchObject({
      code: 'TRIB_TRANSPORT',
      retryable: true,
      message:
        'kafka topics: expected the cluster to answer, got: Failed to find group coordinator. Check transport.kafka, and that the cluster is up.',
    });
  });

  it('should speak of the user where the cluster refuses it', () => {
    expect(codedFault('topics', named('KafkaJSSASLAuthenticationError')).message).toContain('sasl');
  });
});
