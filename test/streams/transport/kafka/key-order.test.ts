import { describe, expect, it } from 'vitest';
import { KeyOrder } from '../../../../src/streams/transport/kafka/key-order.js';

describe('KeyOrder', () => {
  it('should do the work on a key one by one, also after a fault, and let other keys pass', async () => {
    const order = new KeyOrder();
    const done: string[] = [];
    let fail = (_: Error) => {};
    const first = order.afterThose(['a'], () => new Promise<void>((_, reject) => (fail = reject)));
    const second = order.afterThose(['a', 'b'], async () => done.push('second'));
    const third = order.afterThose(['b'], async () => done.push('third'));
    await order.afterThose(['c'], async () => done.push('other'));
    expect(done).toEqual(['other']);
    fail(new Error('lost'));
    await expect(first).rejects.toThrow('lost');
    await Promise.all([second, third]);
    expect(done).toEqual(['other', 'second', 'third']);
  });
});
