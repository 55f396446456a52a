import { expect, vi } from 'vitest';
import type { ContractParts } from './contract-parts.js';
import { ackAtOnce, type Inbox } from './inbox.js';

export function describeConsumerGroups({ should, inbox, shared }: ContractParts): void {
  should('hand the unanswered messages of one member to the others', async (transport) => {
    const members = [inbox(transport, { maxInFlight: 8 }), inbox(transport, { maxInFlight: 8 })];
    await shared('workers', 2);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const key of keys) await transport.publish('work', { key, message: key });
    const [leaver, stayer] = members as [Inbox, Inbox];
    const haveAll = () => leaver.received.length + stayer.received.length === keys.length;
    await Promise.race(members.map((member) => member.until(haveAll)));
    leaver.leave();
    await stayer.delivery(keys.length - 1);
    expect([...stayer.messages].sort()).toEqual(keys);
  });

  should('share messages within a consumer group, each key with one member', async (transport) => {
    const seen = new Map<number, Set<string>>([
      [0, new Set()],
      [1, new Set()],
    ]);
    let numSeen = 0;
    const members = [0, 1].map((member) =>
      inbox(transport, {
        onDelivery: (delivery) => {
          seen.get(member)?.add(delivery.key);
          numSeen++;
          delivery.ack();
        },
      }),
    );
    await shared('workers', 2);
    for (let n = 0; n < 48; n++) await transport.publish('work', { key: `k${n % 16}`, message: n });
    await Promise.race(members.map((member) => member.until(() => numSeen === 48)));
    const [first, second] = [seen.get(0), seen.get(1)] as [Set<string>, Set<string>];
    expect(first.size + second.size).toBe(16);
    expect(Math.min(first.size, second.size)).toBeGreaterThan(0);
  });

  should('name those who read a topic for a consumer group, while they do', async (transport) => {
    const readers = () => transport.readers('work', 'workers');
    expect(await readers()).toEqual([]);
    const members = [inbox(transport), inbox(transport)];
    await shared('workers', 2);
    const names = await readers();
    expect(names).toHaveLength(2);
    for (const name of names) expect(name).not.toBe('');
    expect(await transport.readers('work', 'others')).toEqual([]);
    for (const member of members) member.leave();
    await vi.waitFor(async () => expect(await readers()).toEqual([]), { timeout: 30_000, interval: 50 });
  });

  should('count the messages that a consumer group has not answered', async (transport) => {
    for (const key of ['a', 'b', 'c']) await transport.publish('work', { key, message: key });
    const unanswered = () => transport.unanswered('work', 'workers');
    // A publisher that had to try again may have written a message twice.
    const all = await unanswered();
    expect(all).toBeGreaterThanOrEqual(3);
    const worker = inbox(transport, { maxInFlight: 2 });
    const first = await worker.delivery(0);
    expect(await unanswered()).toBe(all);
    first.ack();
    await vi.waitFor(async () => expect(await unanswered()).toBe(all - 1), { timeout: 10_000 });
    worker.leave();
    expect(await unanswered()).toBe(all - 1);
  });

  should('give every consumer group every message', async (transport) => {
    const groups = ['rewards', 'archive'].map((consumerGroup) =>
      inbox(transport, { consumerGroup, onDelivery: ackAtOnce }),
    );
    for (let n = 0; n < 10; n++) await transport.publish('work', { key: `k${n}`, message: n });
    for (const group of groups) {
      await group.delivery(9);
      expect([...group.messages].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  should('start a new consumer group at the oldest message that another still needs', async (transport) => {
    inbox(transport, { consumerGroup: 'fast', onDelivery: ackAtOnce });
    inbox(transport, { consumerGroup: 'slow' });
    for (const key of ['a', 'b']) await transport.publish('work', { key, message: key });
    const late = inbox(transport, { consumerGroup: 'late', onDelivery: ackAtOnce });
    await late.delivery(1);
    expect([...late.messages].sort()).toEqual(['a', 'b']);
  });

  should('keep messages for a consumer group while it has no member', async (transport) => {
    inbox(transport, { consumerGroup: 'fast', onDelivery: ackAtOnce });
    const slow = inbox(transport, { consumerGroup: 'slow' });
    slow.leave();
    await transport.publish('work', { key: 'a', message: 1 });
    const back = inbox(transport, { consumerGroup: 'slow' });
    expect((await back.delivery(0)).message).toBe(1);
  });

  should('move a message to the dead letters after the last attempt', async (transport) => {
    const reader = inbox(transport, {
      onDelivery: (delivery) => {
        if (delivery.message === 'poison') delivery.nack(`try ${delivery.attempt}`);
        else delivery.ack();
      },
    });
    const letters = inbox(transport, { topic: 'dead-letters', consumerGroup: 'run' });
    await transport.publish('work', { key: 'a', message: 'poison', headers: { schema: '1' } });
    await transport.publish('work', { key: 'a', message: 'good' });
    await reader.until(() => reader.messages.includes('good'));
    expect(reader.messages).toEqual(['poison', 'poison', 'poison', 'good']);
    expect(await letters.delivery(0)).toMatchObject({
      key: 'a',
      message: 'poison',
      headers: { schema: '1', origin: 'work', stage: 'workers', reason: 'try 3', attempts: '3' },
    });
  });
}
