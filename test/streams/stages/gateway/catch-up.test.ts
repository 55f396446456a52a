/** @file Two gateways read the same topics, each at its own pace: what reaches one before it has read of the group. */

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { PromptTicket } from '../../../../src/operators/index.js';
import type { ServedGroup } from '../../../../src/streams/stages/gateway/desk.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { drawnOf, gatewayBench, groupOf } from './gateway-bench.js';

const ID = 'g-0123456789abcdef01234567';
const REQUEST = {
  ...{ id: ID, prompt: 'a red circle', seed: 7, requestedBy: 'ann' },
  ...{ requestedAt: 0, expiresAt: 30_000 },
};
const WITHIN_MS = 1000;
/** Every change of a group is on disk before it is told. */
const PATIENCE = { timeout: 20_000 };

/** A gateway over Kafka, for all that it knows, and what the other gateway and other programs write. */
async function start(overrides: readonly string[] = []) {
  const bench = await gatewayBench({
    path: await temporaryFolder(),
    overrides: ['transport.kind=kafka', `stages.gateway.catchUpWithinMs=${WITHIN_MS}`, ...overrides],
  });
  const { transport } = bench.context;
  const rewards = bench.read('rewards');
  const letters = bench.read('dead-letters');
  return {
    ...bench,
    ...{ rewards, letters },
    writes: {
      drawn: () => transport.publish('drawn', { key: ID, message: drawnOf(REQUEST) }),
      vote: (best: number, groupId = ID) => {
        const message = { groupId, voter: 'program', judgment: { best }, givenAt: 5 };
        return transport.publish('feedback', { key: groupId, message });
      },
      ticket: (round = 0, sourceId = ID) => {
        const message: PromptTicket = {
          groupId: `${round}-1`,
          groupIndex: 1,
          round,
          prompt: 'a red circle',
          sourceId,
        };
        return transport.publish('prompts', { key: message.groupId, message });
      },
    },
    /** Until all that could be done at once is done. */
    settled: () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))),
  };
}

const LOST = [
  {
    groupId: '0-1',
    round: 0,
    reason: 'dropped',
    detail: `this gateway knows of no decision on the group ${ID}`,
  },
];
const ANSWERED = [{ groupId: '0-1', round: 0, rewards: [0, 0, 1, 0] }];

describe('a gateway that lags behind', () => {
  it('should answer a ticket once it has read of the group and of the decision', async () => {
    const { writes, rewards, settled, desk } = await start();
    await writes.ticket();
    await settled();
    await writes.drawn();
    await vi.waitFor(() => expect(groupOf(desk, ID).state).toBe('waiting'));
    expect(rewards).toEqual([]);
    await writes.vote(2);
    await vi.waitFor(() => expect(rewards).toEqual(ANSWERED));
  });

  it('should take a vote that comes before its group', async () => {
    const { writes, letters, settled, desk } = await start();
    await writes.vote(2);
    await settled();
    await writes.drawn();
    await vi.waitFor(
      () => expect(groupOf(desk, ID)).toMatchObject({ state: 'decided', rewards: [0, 0, 1, 0] }),
      PATIENCE,
    );
    expect(letters).toEqual([]);
  });

  it('should take a vote over HTTP on pictures that another gateway has shown', async () => {
    const { writes, desk } = await start();
    const voted = desk.vote(ID, { voter: 'ann', best: 1 });
    await writes.drawn();
    expect(await voted).toMatchObject({ isNew: true, group: { rewards: [0, 1, 0, 0] } });
  });

  it('should go on with what is known while something waits', async () => {
    const bench = await start();
    const { writes, rewards, context } = bench;
    await writes.ticket();
    const { id } = await bench.decided();
    const message = { groupId: '0-2', groupIndex: 2, round: 0, prompt: 'a red circle', sourceId: id };
    await context.transport.publish('prompts', { key: '0-2', message });
    await vi.waitFor(() => expect(rewards).toEqual([{ groupId: '0-2', round: 0, rewards: [0, 1, 0, 0] }]));
  });

  it('should lose the group and refuse the vote when its time is over', async () => {
    const { writes, rewards, letters, settled, desk, passUntil, error } = await start();
    await Promise.all([writes.ticket(), writes.vote(2)]);
    const voted = expect(desk.vote(ID, { voter: 'ann', best: 1 })).rejects.toThrow(
      'expected one of this gateway',
    );
    await settled();
    passUntil(WITHIN_MS - 1);
    await settled();
    expect([rewards, letters]).toEqual([[], []]);
    passUntil(WITHIN_MS);
    await vi.waitFor(() => expect(rewards).toEqual(LOST));
    // A vote that is delivered again does not wait again.
    await vi.waitFor(() => expect(letters).toHaveLength(1));
    await voted;
    expect(error()).toBeUndefined();
  });

  it('should know the place of a group whose ticket another gateway answers', async () => {
    const bench = await start();
    const { transport } = bench.context;
    const groups: ServedGroup[] = [];
    for (let index = 0; index < 6; index++) groups.push(await bench.decided());
    const other = transport
      .subscribe({ topic: 'prompts', consumerGroup: 'gateways', maxInFlight: 9 })
      .subscribe(({ ack }) => ack());
    onTestFinished(() => other.unsubscribe());
    for (const [index, { id: sourceId, prompt }] of groups.entries()) {
      const message = { groupId: `0-${index}`, groupIndex: index, round: 0, prompt, sourceId };
      await transport.publish('prompts', { key: message.groupId, message });
    }
    await vi.waitFor(
      () => expect(groups.map(({ id }) => groupOf(bench.desk, id).round)).toEqual([0, 0, 0, 0, 0, 0]),
      PATIENCE,
    );
    await bench.settled();
    expect(bench.rewards.length).toBeLessThan(6);
    await bench.beginRound(1);
    expect(groups.map(({ id }) => groupOf(bench.desk, id).state)).toEqual(new Array(6).fill('trained'));
  });

  it('should say of a group what became of it at another gateway, or while this one was away', async () => {
    const bench = await start();
    const { transport } = bench.context;
    const groups: ServedGroup[] = [];
    for (let index = 0; index < 5; index++) groups.push(await bench.decided());
    const other = transport
      .subscribe({ topic: 'prompts', consumerGroup: 'gateways', maxInFlight: 9 })
      .subscribe(({ ack }) => ack());
    onTestFinished(() => other.unsubscribe());
    const place = async (index: number, round: number) => {
      const { id: sourceId, prompt } = groups[index] as ServedGroup;
      const groupIndex = 32 * round + index;
      const message = { groupId: `${round}-${index}`, groupIndex, round, prompt, sourceId };
      await transport.publish('prompts', { key: message.groupId, message });
    };
    const states = () =>
      groups.map(({ id }) => [groupOf(bench.desk, id).state, groupOf(bench.desk, id).round]);
    for (const index of [0, 1, 2]) await place(index, 0);
    await vi.waitFor(() => expect(states().slice(0, 3)).toEqual(new Array(3).fill(['decided', 0])), PATIENCE);
    const partial = { round: 0, trained: ['0-0'], stale: ['0-1'] };
    await bench.beginRound(2, [partial]);
    // The tickets of these are read after their rounds.
    await place(3, 0);
    await place(4, 1);
    const known = [
      ['trained', 0],
      ['stale', 0],
      ['lost', 0],
      ['lost', 0],
      ['trained', 1],
    ];
    await vi.waitFor(() => expect(states()).toEqual(known), PATIENCE);
    // What is told of no more stays.
    await bench.beginRound(3);
    await place(2, 0);
    await bench.settled();
    expect(states()).toEqual(known);
    // The round is done again after a kill, with another outcome.
    await bench.beginRound(3, [{ round: 0, trained: ['0-1', '0-3'], stale: ['0-0'] }]);
    await vi.waitFor(() =>
      expect(states().map(([state]) => state)).toEqual(['stale', 'trained', 'lost', 'trained', 'trained']),
    );
    await bench.close();
  });

  it('should refuse at once a vote for what can be no group', async () => {
    const { writes, letters } = await start();
    await writes.vote(2, 'g-unknown');
    await vi.waitFor(() => expect(letters).toHaveLength(1));
  });

  it('should leave a group whose round is over when it has caught up', async () => {
    const { writes, rewards, settled, desk, beginRound } = await start();
    await writes.ticket();
    await settled();
    await beginRound(1, [{ round: 0, trained: ['0-0'], stale: [] }]);
    await writes.drawn();
    await writes.vote(2);
    await vi.waitFor(() => expect(groupOf(desk, ID)).toMatchObject({ state: 'lost', round: 0 }), PATIENCE);
    expect(rewards).toEqual([]);
  });
});
