import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { REWARD_SOURCES } from '../../../../src/models/rewards/index.js';

/** What the config puts beside the fields of a source. */
const TAKEN = ['type', 'from', 'concurrency', 'weight', 'mean', 'std'];

describe('REWARD_SOURCES', () => {
  it('should have one word each', () => {
    const words = REWARD_SOURCES.entries.map(({ name }) => name);
    expect(new Set(words).size).toBe(words.length);
    for (const word of words) expect(word).toMatch(/^[a-z-]+$/);
  });

  it.each(REWARD_SOURCES.entries.map((spec) => [spec.name, spec] as const))(
    'should say in words what %s is, and leave the fields of others alone',
    (_, { summary, fields }) => {
      expect(summary).toMatch(/^[A-Z].*\.$/);
      expect(Object.keys(fields).filter((name) => TAKEN.includes(name))).toEqual([]);
      const { properties = {} } = z.toJSONSchema(z.object(fields as z.ZodRawShape), { io: 'input' });
      for (const [name, property] of Object.entries(properties))
        expect([name, (property as z.core.JSONSchema.BaseSchema).description]).toEqual([
          name,
          expect.stringMatching(/\.$/),
        ]);
    },
  );
});
