import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { TOPIC_NAMES, type TopicName } from '../../../src/streams/messages/topics.js';
import { createInProcessTransport } from '../../../src/streams/transport/in-process/in-process.js';
import { topicDeclarations } from '../../../src/streams/transport/open-transport.js';

describe('topicDeclarations', () => {
  it('should declare what a transport of the whole topology needs', async () => {
    const topics = topicDeclarations({ transport: { capacity: 5 } });
    expect(topics.map(({ name }) => name)).toEqual(TOPIC_NAMES);
    expect(topics).toContainEqual({ name: 'images', kind: 'queue', capacity: 5 });
    const transport = createInProcessTransport<Record<TopicName, string>>({
      topics,
      maxAttempts: 2,
      deadLettersTopic: 'dead-letters',
    });
    await transport.publish('policy', { key: 'run', message: 'v0' });
    expect(await firstValueFrom(transport.latest('policy'))).toBe('v0');
    await transport.close();
  });
});
