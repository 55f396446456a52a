import { describe, expect, it } from 'vitest';
import { appendTogether } from '../../../src/streams/transport/kafka/append-together.js';
import type { NewRecord } from '../../../src/streams/transport/kafka/log-driver.js';

const record = (key: string, bytes = 1): NewRecord => ({ key, value: new Uint8Array(bytes), headers: {} });

/** A log whose requests are answered by hand. */
function logOf() {
  const requests: { topic: string; keys: string[]; answer: (error?: Error) => void }[] = [];
  const append = appendTogether(
    (topic, records) =>
      new Promise((resolve, reject) => {
        const answer = (error?: Error) => (error ? reject(error) : resolve());
        requests.push({ topic, keys: records.map(({ key }) => key), answer });
      }),
  );
  return { append, requests, keys: () => requests.map(({ keys }) => keys.join('')) };
}

describe('appendTogether', () => {
  it('should send the first at once, and what comes meanwhile with the next request', async () => {
    const { append, requests, keys } = logOf();
    const written = ['a', 'b', 'c'].map((key) => append('work', record(key)));
    expect(keys()).toEqual(['a']);
    requests[0]?.answer();
    await written[0];
    await new Promise(setImmediate);
    expect(keys()).toEqual(['a', 'bc']);
    requests[1]?.answer();
    await Promise.all(written);
    const later = append('work', record('d'));
    expect(keys()).toEqual(['a', 'bc', 'd']);
    requests[2]?.answer();
    await later;
  });

  it('should let topics not wait for each other', () => {
    const { append, requests } = logOf();
    void append('work', record('a'));
    void append('other', record('b'));
    expect(requests.map(({ topic }) => topic)).toEqual(['work', 'other']);
  });

  it('should fail the records of a request that fails, and no others', async () => {
    const { append, requests, keys } = logOf();
    const first = append('work', record('a'));
    const second = append('work', record('b'));
    requests[0]?.answer(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    expect(keys()).toEqual(['a', 'b']);
    requests[1]?.answer();
    await second;
  });

  it('should bound a request by its bytes, and send a record that is larger by itself', async () => {
    const { append, requests, keys } = logOf();
    const sizes = { a: 1, b: 300_000, c: 300_000, d: 2 ** 20, e: 1, f: 1 };
    const written = Object.entries(sizes).map(([key, bytes]) => append('work', record(key, bytes)));
    for (let index = 0; index < 5; index++) {
      requests[index]?.answer();
      await new Promise(setImmediate);
    }
    await Promise.all(written);
    expect(keys()).toEqual(['a', 'b', 'c', 'd', 'ef']);
  });
});
