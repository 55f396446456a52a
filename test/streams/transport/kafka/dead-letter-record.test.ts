import { describe, expect, it } from 'vitest';
import type { Headers } from '../../../../src/streams/transport/contract/transport.js';
import { deadLetterRecord } from '../../../../src/streams/transport/kafka/dead-letter-record.js';
import { recordBytes } from '../../../../src/streams/transport/kafka/log-driver.js';

const MAX = 5000;
const why = { origin: 'work', stage: 'group', reason: 'expected a, got b', attempts: '1' };

/** The letter of a record, and what was put elsewhere. */
async function letterOf(
  record: { key?: string; value?: Uint8Array; headers?: Headers },
  reasons: Headers = why,
) {
  const elsewhere: Uint8Array[] = [];
  const letter = await deadLetterRecord(
    { key: 'k', value: Uint8Array.of(1), headers: { a: 'b' }, ...record },
    reasons,
    {
      maxBytes: MAX,
      claim: async ({ value, headers }) => {
        elsewhere.push(value);
        return { value: Uint8Array.of(9), headers: { ...headers, payload: 'claim' } };
      },
    },
  );
  expect(recordBytes(letter)).toBeLessThanOrEqual(MAX);
  return { letter, elsewhere };
}

describe('deadLetterRecord', () => {
  it('should keep key, bytes and headers as they were, and say why', async () => {
    const { letter, elsewhere } = await letterOf({});
    expect(letter).toEqual({ key: 'k', value: Uint8Array.of(1), headers: { a: 'b', ...why } });
    expect(elsewhere).toEqual([]);
  });

  it('should claim bytes that are too many', async () => {
    const value = new Uint8Array(MAX);
    const { letter, elsewhere } = await letterOf({ value });
    expect(letter).toEqual({
      key: 'k',
      value: Uint8Array.of(9),
      headers: { a: 'b', ...why, payload: 'claim' },
    });
    expect(elsewhere).toEqual([value]);
  });

  it.each([
    ['headers', { headers: { a: 'x'.repeat(MAX) } }],
    ['a key', { key: 'x'.repeat(MAX) }],
  ])('should leave out %s of others that are too long', async (_, record) => {
    const { letter, elsewhere } = await letterOf(record);
    expect(letter.headers).toEqual({ ...why, payload: 'claim' });
    expect(letter.key).toMatch(/^(k|x{1000})$/);
    expect(elsewhere).toContainEqual(Uint8Array.of(1));
  });

  it('should cut a reason that others have made long', async () => {
    const { letter } = await letterOf({}, { ...why, reason: 'x'.repeat(MAX) });
    expect(letter.headers.reason).toBe('x'.repeat(2000));
  });
});
