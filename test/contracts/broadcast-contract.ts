/** @file Broadcasts, faults and closing among the promises of `Transport`. */

import { filter, firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { expect } from 'vitest';
import { CAPACITY, type ContractParts } from './contract-parts.js';
import { codedFault, codedFaultOrAccepted, turnOfTheEventLoop } from './inbox.js';

export function describeBroadcasts({ should, inbox }: ContractParts): void {
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
}
