import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import { createInProcessTransport } from '../../src/streams/transport/in-process/in-process.js';
import { CONTRACT_TOPICS, type ContractMessages, MAX_ATTEMPTS } from './contract-parts.js';
import { describeTransport } from './transport-contract.js';

const options = {
  topics: CONTRACT_TOPICS,
  maxAttempts: MAX_ATTEMPTS,
  deadLettersTopic: 'dead-letters',
} as const;

describeTransport('in-process', { create: async () => createInProcessTransport<ContractMessages>(options) });

describe('createInProcessTransport', () => {
  it('should pass messages by reference', async () => {
    const transport = createInProcessTransport<ContractMessages>(options);
    const message = { latents: new Float32Array(4) };
    let got: unknown;
    transport
      .subscribe({ topic: 'work', consumerGroup: 'g', maxInFlight: 1 })
      .subscribe((delivery) => (got = delivery.message));
    await transport.publish('work', { key: 'a', message });
    expect(got).toBe(message);
    await transport.close();
  });

  it('should keep a refused message until its dead letter is accepted', async () => {
    const topics = CONTRACT_TOPICS.map((topic) =>
      topic.name === 'dead-letters' ? { ...topic, capacity: 1 } : topic,
    );
    const transport = createInProcessTransport<ContractMessages>({ ...options, topics, maxAttempts: 1 });
    transport
      .subscribe({ topic: 'work', consumerGroup: 'g', maxInFlight: 1 })
      .subscribe((delivery) => delivery.nack('no'));
    for (const key of ['a', 'b', 'c']) await transport.publish('work', { key, message: key });
    const letters: unknown[] = [];
    const done = new Promise<void>((resolve) => {
      transport
        .subscribe({ topic: 'dead-letters', consumerGroup: 'run', maxInFlight: 1 })
        .subscribe((delivery) => {
          letters.push(delivery.message);
          delivery.ack();
          if (letters.length === 3) resolve();
        });
    });
    await done;
    expect(letters).toEqual(['a', 'b', 'c']);
    await transport.close();
  });

  it.each([
    [{ ...options, maxAttempts: 0 }, 'transport maxAttempts: expected an integer >= 1, got 0. Set a bound.'],
    [
      { ...options, topics: [{ name: 'work' as const, kind: 'queue' as const, capacity: 0.5 }] },
      'topic "work" capacity: expected an integer >= 1, got 0.5. Set a bound.',
    ],
    [
      { ...options, topics: [...CONTRACT_TOPICS, ...CONTRACT_TOPICS.slice(0, 1)] },
      'topic "work": expected one declaration, got two. Remove one.',
    ],
    [
      { ...options, deadLettersTopic: 'state' as const },
      'topic "state": expected a queue topic, got a broadcast one. Read it with `latest`.',
    ],
    [
      { ...options, topics: CONTRACT_TOPICS.filter(({ name }) => name !== 'dead-letters') },
      'topic "dead-letters": expected a declared topic (work, other, state), got an unknown one. Declare it.',
    ],
  ])('should refuse options that cannot work (%#)', (bad, message) => {
    expect(() => createInProcessTransport<ContractMessages>(bad)).toThrow(
      new TributaryError('TRIB_TRANSPORT', message),
    );
  });
});
