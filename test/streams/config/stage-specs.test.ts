import { describe, expect, it } from 'vitest';
import { TOPIC_NAMES, TOPICS, type TopicSpec } from '../../../src/streams/messages/topics.js';
import { STAGE_SPECS } from '../../../src/streams/stages/index.js';

describe('STAGE_SPECS', () => {
  it('should be alphabetical and without duplicates', () => {
    const types = STAGE_SPECS.map(({ name }) => name);
    expect(types).toEqual([...new Set(types)].sort());
  });

  it.each(STAGE_SPECS)(
    'should say in words what $name does and what follows',
    ({ summary, consequences }) => {
      for (const sentence of [summary, ...Object.values(consequences)])
        expect(sentence).toMatch(/^[A-Z].*\.$/);
    },
  );

  it('should write every topic that is not fed from outside, and read each that needs a reader', () => {
    for (const topic of TOPIC_NAMES) {
      const { isFedFromOutside = false }: TopicSpec = TOPICS[topic];
      expect(isFedFromOutside || STAGE_SPECS.some(({ writes }) => topic in writes)).toBe(true);
      expect(STAGE_SPECS.some(({ reads }) => topic in reads)).toBe(TOPICS[topic].needsReader);
    }
  });
});
