import { filter, firstValueFrom, lastValueFrom, type Observable, Subject, take, toArray } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import type { Delivery, TopicDeclaration, Transport } from '../../src/streams/transport/transport.js';

/** What the contract sends: `work` and `state` carry these, dead letters carry what was refused. */
export type ContractMessages = { work: unknown; other: unknown; state: unknown; 'dead-letters': unknown };

export const CAPACITY = 4;
export const MAX_ATTEMPTS = 3;

export const CONTRACT_TOPICS: readonly (TopicDeclaration & { name: keyof ContractMessages })[] = [
  { name: 'work', kind: 'queue', capacity: CAPACITY },
  { name: 'other', kind: 'queue', capacity: 64 },
  { name: 'dead-letters', kind: 'queue', capacity: 64 },
  { name: 'state', kind: 'broadcast' },
];

export interface TransportUnderTest {
  /** An open, empty transport of CONTRACT_TOPICS, capacity and attempts as above. */
  readonly create: () => Promise<Transport<ContractMessages>>;
  /** Waits until so many members of a consumer group of `work` have a share of it; at once where it is left out. */
  readonly shared?: (consumerGroup: string, members: number) => Promise<void>;
  /** Cases that cannot hold, by title, each list under its reason. */
  readonly skip?: readonly { readonly reason: string; readonly tests: readonly string[] }[];
}

/** Records the deliveries of a stream and lets a test wait for the n-th one. */
class Inbox {
  readonly received: Delivery<unknown>[] = [];
  isComplete = false;
  error: unknown;
  readonly #changed = new Subject<void>();
  readonly #subscription;

  constructor(deliveries: Observable<Delivery<unknown>>, onDelivery?: (delivery: Delivery<unknown>) => void) {
    this.#subscription = deliveries.subscribe({
      next: (delivery) => {
        this.received.push(delivery);
        onDelivery?.(delivery);
        this.#changed.next();
      },
      complete: () => {
        this.isComplete = true;
        this.#changed.next();
      },
      error: (error: unknown) => {
        this.error = error;
      },
    });
  }

  async until(condition: () => boolean): Promise<void> {
    if (!condition()) await firstValueFrom(this.#changed.pipe(filter(condition)));
  }

  /** Waits for the delivery with this index, counted from 0. */
  async delivery(index: number): Promise<Delivery<unknown>> {
    await this.until(() => this.received.length > index);
    return this.received[index] as Delivery<unknown>;
  }

  get messages(): unknown[] {
    return this.received.map(({ message }) => message);
  }

  leave(): void {
    this.#subscription.unsubscribe();
  }
}

const ackAtOnce = (delivery: Delivery<unknown>) => delivery.ack();

/** Gives whatever is under way the chance to finish, so that "it still waits" means something. */
const turnOfTheEventLoop = () => new Promise<void>((resolve) => setImmediate(resolve));

async function codedFault(work: () => unknown): Promise<TributaryError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(TributaryError);
    return error as TributaryError;
  }
  throw new Error('expected a fault, got none');
}

/** The promises of `Transport`, as tests that every implementation must pass or skip aloud. */
export function describeTransport(
  name: string,
  { create, shared = async () => undefined, skip = [] }: TransportUnderTest,
): void {
  describe(`transport ${name}`, () => {
    const open: Transport<ContractMessages>[] = [];
    const opened = async () => {
      const transport = await create();
      open.push(transport);
      return transport;
    };
    const inbox = (
      transport: Transport<ContractMessages>,
      options: {
        consumerGroup?: string;
        maxInFlight?: number;
        topic?: 'work' | 'other' | 'dead-letters';
        onDelivery?: (delivery: Delivery<unknown>) => void;
        onRepeat?: () => void;
      } = {},
    ) => {
      const { consumerGroup = 'workers', maxInFlight = 1, topic = 'work', onDelivery, onRepeat } = options;
      const subscription = { topic, consumerGroup, maxInFlight, ...(onRepeat && { onRepeat }) };
      return new Inbox(transport.subscribe(subscription), onDelivery);
    };

    afterEach(async () => {
      await Promise.all(open.splice(0).map((transport) => transport.close()));
    });

    const should = (title: string, test: (transport: Transport<ContractMessages>) => Promise<void>) => {
      const skipped = skip.find(({ tests }) => tests.includes(title));
      if (skipped) it.skip(`should ${title} (skipped: ${skipped.reason})`, () => undefined);
      else it(`should ${title}`, async () => test(await opened()));
    };

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
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++)
        (await reader.delivery(attempt - 1)).nack('no');
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

    should('broadcast the newest value to early and late readers', async (transport) => {
      const early = firstValueFrom(transport.latest('state').pipe(filter((value) => value === 'v2')));
      await transport.publish('state', { key: 'run', message: 'v1' });
      await transport.publish('state', { key: 'run', message: 'v2' });
      expect(await early).toBe('v2');
      const late = lastValueFrom(transport.latest('state').pipe(take(2), toArray()));
      await transport.publish('state', { key: 'run', message: 'v3' });
      expect(await late).toEqual(['v2', 'v3']);
    });

    should('say at once what a broadcast has come to, and that it has come to nothing', async (transport) => {
      expect(await transport.newest('state')).toBeNull();
      for (const message of ['v1', 'v2']) await transport.publish('state', { key: 'run', message });
      expect(await transport.newest('state')).toBe('v2');
      expect(await firstValueFrom(transport.latest('state'))).toBe('v2');
    });

    should('never make a publisher of a broadcast wait', async (transport) => {
      for (let n = 0; n < 4 * CAPACITY; n++) await transport.publish('state', { key: 'run', message: n });
      expect(await firstValueFrom(transport.latest('state'))).toBe(4 * CAPACITY - 1);
    });

    should('say with a code what is wrong, and whether to try again', async (transport) => {
      const unknown = 'wrok' as 'work';
      const subscription = { consumerGroup: 'g', maxInFlight: 1 };
      const faults = [
        await codedFault(() => transport.publish(unknown, { key: 'a', message: 1 })),
        await codedFault(() => transport.subscribe({ ...subscription, topic: unknown })),
        await codedFault(() => transport.subscribe({ ...subscription, topic: 'state' })),
        await codedFault(() => transport.latest('work')),
        await codedFault(() => transport.latest(unknown)),
        await codedFault(() => transport.newest('work')),
        await codedFault(() => transport.newest(unknown)),
        await codedFault(() => transport.subscribe({ ...subscription, topic: 'work', maxInFlight: 0 })),
      ];
      for (const fault of faults) expect(fault).toMatchObject({ code: 'TRIB_TRANSPORT', retryable: false });
      expect(faults[0]?.message).toContain('topic "wrok": expected a declared topic');
    });

    should('complete every stream on close, and leave nobody waiting', async (transport) => {
      const reader = inbox(transport);
      let isStateComplete = false;
      transport.latest('state').subscribe({ complete: () => (isStateComplete = true) });
      const publishing = Array.from({ length: CAPACITY + 3 }, (_, n) =>
        codedFaultOrAccepted(transport.publish('work', { key: `k${n}`, message: n })),
      );
      const unanswered = await reader.delivery(0);
      await transport.close();
      const outcomes = await Promise.all(publishing);
      expect(outcomes.filter((outcome) => outcome === 'TRIB_TRANSPORT')).toHaveLength(2);
      expect([reader.isComplete, isStateComplete]).toEqual([true, true]);
      unanswered.ack();
      unanswered.nack('too late');
      await turnOfTheEventLoop();
      expect(reader.messages).toEqual([0]);
    });

    should('refuse work once it is closed', async (transport) => {
      await transport.publish('state', { key: 'run', message: 1 });
      await transport.close();
      const subscription = { topic: 'work', consumerGroup: 'g', maxInFlight: 1 } as const;
      for (const work of [
        () => transport.publish('work', { key: 'a', message: 1 }),
        () => transport.publish('state', { key: 'run', message: 2 }),
        () => firstValueFrom(transport.subscribe(subscription)),
        () => firstValueFrom(transport.latest('state')),
        () => transport.newest('state'),
      ]) {
        expect(await codedFault(work)).toMatchObject({ code: 'TRIB_TRANSPORT', retryable: false });
      }
    });
  });
}

const codedFaultOrAccepted = (publishing: Promise<void>): Promise<string> =>
  publishing.then(
    () => 'accepted',
    (error: unknown) => (error as TributaryError).code,
  );
