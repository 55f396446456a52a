import { describe, expect, it } from 'vitest';
import { chunkSize, inOrder } from '../../../src/models/engines/chunks.js';

describe('chunkSize', () => {
  it.each([
    ['rows that fill the cache', 144, 256, 16],
    ['fewer for larger latents', 144, 1024, 4],
    ['one of the largest', 16, 64 * 64, 1],
    ['one, however large', 16, 128 * 128, 1],
    ['a quarter of a small batch', 8, 256, 2],
    ['one of a smaller one', 3, 256, 1],
    ['what leaves no place empty', 66, 256, 11],
    ['or the fewest places', 67, 256, 14],
  ])('should be %s', (_, rows, positions, size) => {
    expect(chunkSize(rows, positions)).toBe(size);
  });
});

describe('inOrder', () => {
  /** Starts items that end when they are told to. */
  function controlled() {
    const started: number[] = [];
    const ends = new Map<number, { resolve: (value: string) => void; reject: (error: Error) => void }>();
    const start = (item: number) => {
      started.push(item);
      return new Promise<string>((resolve, reject) => ends.set(item, { resolve, reject }));
    };
    return { started, start, end: (item: number) => ends.get(item) };
  }

  it('should yield in the order of the items, whatever ends first', async () => {
    const { started, start, end } = controlled();
    const results = inOrder([0, 1, 2], 2, start);
    const first = results.next();
    expect(started).toEqual([0, 1]);
    end(1)?.resolve('b');
    end(0)?.resolve('a');
    expect(await first).toEqual({ done: false, value: 'a' });
    const second = results.next();
    expect(started).toEqual([0, 1, 2]);
    expect(await second).toEqual({ done: false, value: 'b' });
    end(2)?.resolve('c');
    expect(await results.next()).toEqual({ done: false, value: 'c' });
    expect(await results.next()).toEqual({ done: true, value: undefined });
  });

  it('should tell the first error in that order, after all that was started has ended', async () => {
    const { start, end } = controlled();
    const results = inOrder([0, 1, 2], 3, start);
    let told: unknown;
    const first = results.next().catch((error) => {
      told = error;
    });
    end(2)?.reject(new Error('third'));
    end(0)?.reject(new Error('first'));
    await new Promise(setImmediate);
    expect(told).toBeUndefined();
    end(1)?.resolve('b');
    await first;
    expect(told).toEqual(new Error('first'));
  });

  it('should start nothing more where nobody asks', async () => {
    const { started, start, end } = controlled();
    for (const item of [0, 1]) queueMicrotask(() => end(item)?.resolve(''));
    for await (const _ of inOrder([0, 1, 2, 3], 2, start)) break;
    expect(started).toEqual([0, 1]);
  });
});
