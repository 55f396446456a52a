/** @file Order, room and redelivery among the promises of `Transport`. */

import { expect, vi } from 'vitest';
import { collectGarbage } from '../fixtures/collect-garbage.js';
import { CAPACITY, type ContractParts, MAX_ATTEMPTS } from './contract-parts.js';
import { ackAtOnce, turnOfTheEventLoop } from './inbox.js';

/** Far more than may wait. */
const MANY = 50 * CAPACITY;

export function describeDelivery({ should, inbox }: ContractParts): void {
  should('open and close, and close twice as once', async (transport) => {
    await transport.close();
    await expect(transport.close()).resolves.toBeUndefined();
  });

  should('carry one message', async (transport) => {
    const reader = inbox(transport);
    await transport.publish('work', { key: 'a', message: 'hello' });
    const delivery = await reader.delivery(0);
    expect(delivery).toMatchObject({ message: 'hello', key: 'a', attempt: 1 });
  });

  should('keep messages for a late subscriber', async (transport) => {
    await transport.publish('work', { key: 'a', message: 1 });
    await transport.publish('work', { key: 'b', message: 2 });
    const reader = inbox(transport, { maxInFlight: 2 });
    await reader.delivery(1);
    expect([...reader.messages].sort()).toEqual([1, 2]);
  });

  should('keep key, headers and a Float32 payload bit for bit', async (transport) => {
    const message = new Float32Array([0.1, -0, 1e-45, 3.4e38, Number.POSITIVE_INFINITY, Number.NaN]);
    const reader = inbox(transport);
    await transport.publish('work', { key: 'ключ-1', message, headers: { schema: '1', note: 'ä=b' } });
    const delivery = await reader.delivery(0);
    const got = delivery.message as Float32Array;
    expect(new Uint8Array(got.buffer, got.byteOffset, got.byteLength)).toEqual(
      new Uint8Array(message.buffer),
    );
    expect(delivery.key).toBe('ключ-1');
    expect(delivery.headers).toMatchObject({ schema: '1', note: 'ä=b' });
  });

  should('keep the order of a key', async (transport) => {
    const reader = inbox(transport, { maxInFlight: 4, onDelivery: ackAtOnce });
    for (let n = 0; n < 40; n++) await transport.publish('work', { key: `k${n % 3}`, message: n });
    await reader.delivery(39);
    for (const key of [0, 1, 2]) {
      const ofKey = reader.messages.filter((n) => (n as number) % 3 === key);
      expect(ofKey).toEqual([...ofKey].sort((a, b) => (a as number) - (b as number)));
    }
  });

  should('hold the later messages of a key until the first is acknowledged', async (transport) => {
    const reader = inbox(transport, { maxInFlight: 4 });
    await transport.publish('work', { key: 'a', message: 1 });
    await transport.publish('work', { key: 'a', message: 2 });
    const first = await reader.delivery(0);
    await turnOfTheEventLoop();
    expect(reader.messages).toEqual([1]);
    first.nack('busy');
    (await reader.delivery(1)).ack();
    await reader.delivery(2);
    expect(reader.messages).toEqual([1, 1, 2]);
  });

  should(
    'set repeats of a held key aside, without room, until its first is acknowledged',
    async (transport) => {
      const onRepeat = vi.fn();
      const reader = inbox(transport, { onRepeat });
      await transport.publish('work', { key: 'a', message: 'first' });
      const first = await reader.delivery(0);
      for (let n = 0; n < 2 * CAPACITY; n++) await transport.publish('work', { key: 'a', message: n });
      await vi.waitFor(() => expect(onRepeat).toHaveBeenCalledTimes(2 * CAPACITY), 10_000);
      first.nack('busy');
      (await reader.delivery(1)).ack();
      await transport.publish('work', { key: 'a', message: 'next' });
      await reader.delivery(2);
      expect(reader.messages).toEqual(['first', 'first', 'next']);
    },
  );

  should('keep nothing of the repeats of a held key, however many come', async (transport) => {
    const onRepeat = vi.fn();
    const reader = inbox(transport, { onRepeat });
    await transport.publish('work', { key: 'a', message: 'first' });
    const first = await reader.delivery(0);
    const published: WeakRef<object>[] = [];
    for (let n = 0; n < MANY; n++) {
      const message = { n };
      published.push(new WeakRef(message));
      await transport.publish('work', { key: 'a', message });
    }
    await vi.waitFor(() => expect(onRepeat).toHaveBeenCalledTimes(MANY), 30_000);
    await turnOfTheEventLoop();
    collectGarbage();
    // The last one may still stand in a variable of somebody's.
    expect(published.filter((message) => message.deref() !== undefined).length).toBeLessThan(3);
    first.ack();
    await transport.publish('work', { key: 'a', message: 'next' });
    expect((await reader.delivery(1)).message).toBe('next');
  });

  should('work on several keys at once, up to maxInFlight', async (transport) => {
    const reader = inbox(transport, { maxInFlight: 2 });
    for (const key of ['a', 'b', 'c']) await transport.publish('work', { key, message: key });
    const first = await reader.delivery(0);
    await reader.delivery(1);
    await turnOfTheEventLoop();
    expect(reader.messages).toHaveLength(2);
    first.ack();
    await reader.delivery(2);
    expect([...reader.messages].sort()).toEqual(['a', 'b', 'c']);
  });

  should('make publishers wait at the capacity, then resume in order', async (transport) => {
    const accepted: number[] = [];
    const publishing = Array.from({ length: CAPACITY + 3 }, (_, n) =>
      transport.publish('work', { key: `k${n}`, message: n }).then(() => accepted.push(n)),
    );
    await turnOfTheEventLoop();
    expect(accepted).toEqual([0, 1, 2, 3]);
    const reader = inbox(transport, { onDelivery: ackAtOnce });
    await Promise.all(publishing);
    await reader.delivery(CAPACITY + 2);
    expect(reader.messages).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  should('make room when a member that refuses a message takes the next', async (transport) => {
    const reader = inbox(transport);
    const publishing = Array.from({ length: CAPACITY + 2 }, (_, n) =>
      transport.publish('work', { key: `k${n}`, message: n }),
    );
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) (await reader.delivery(attempt - 1)).nack('no');
    await reader.delivery(MAX_ATTEMPTS);
    await Promise.all(publishing);
    const [refused, next] = [reader.messages[0], reader.messages.at(-1)];
    expect(next).not.toBe(refused);
  });

  should('deliver again what was refused, with the attempts counted', async (transport) => {
    const reader = inbox(transport);
    await transport.publish('work', { key: 'a', message: 'again' });
    (await reader.delivery(0)).nack('first try');
    const second = await reader.delivery(1);
    expect(second).toMatchObject({ message: 'again', key: 'a', attempt: 2 });
    second.ack();
    await transport.publish('work', { key: 'a', message: 'next' });
    expect(await reader.delivery(2)).toMatchObject({ message: 'next', attempt: 1 });
  });

  should('deliver again what a subscriber left unanswered', async (transport) => {
    const leaver = inbox(transport, { maxInFlight: 2 });
    for (const key of ['a', 'b', 'c']) await transport.publish('work', { key, message: key });
    const abandoned = await leaver.delivery(1);
    const [acknowledged] = leaver.messages;
    leaver.received[0]?.ack();
    await leaver.delivery(2);
    leaver.leave();
    abandoned.ack();
    const reader = inbox(transport, { maxInFlight: 3 });
    await reader.delivery(1);
    expect([acknowledged, ...reader.messages].sort()).toEqual(['a', 'b', 'c']);
  });
}
