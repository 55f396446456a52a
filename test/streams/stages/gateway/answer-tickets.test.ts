import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { PromptTicket } from '../../../../src/operators/index.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { drawnOf, gatewayBench, groupOf } from './gateway-bench.js';

type Bench = Awaited<ReturnType<typeof gatewayBench>>;

const ticket = (sourceId: string | undefined, round = 0, index = 0): PromptTicket => ({
  groupId: `${round}-${index}`,
  groupIndex: round * 32 + index,
  round,
  prompt: 'a red circle',
  ...(sourceId !== undefined && { sourceId }),
});

async function start(options: Partial<Parameters<typeof gatewayBench>[0]> = {}) {
  const path = await temporaryFolder();
  const bench = await gatewayBench({ path, ...options });
  const [trajectories, rewards, metrics] = [
    bench.read('trajectories'),
    bench.read('rewards'),
    bench.read('metrics'),
  ];
  return { ...bench, path, trajectories, rewards, metrics };
}

const give = ({ context }: Pick<Bench, 'context'>, message: PromptTicket) =>
  context.transport.publish('prompts', { key: message.groupId, message });

describe('a ticket that comes to a gateway', () => {
  it('should be answered with what was kept of its group, and what people decided', async () => {
    const bench = await start();
    const { id, seed } = await bench.decided();
    await give(bench, ticket(`people/${id}`, 0, 3));
    await vi.waitFor(() =>
      expect(bench.rewards).toEqual([{ groupId: '0-3', round: 0, rewards: [0, 1, 0, 0] }]),
    );
    expect(bench.trajectories).toMatchObject([
      { groupId: '0-3', groupIndex: 3, round: 0, noiseIndex: seed, policyVersion: 0 },
    ]);
    expect(bench.trajectories[0]?.branches.map(({ latents }) => latents[0])).toEqual([0, 1, 2, 3]);
    expect(bench.metrics).toEqual([
      { kind: 'judged', groupId: '0-3', round: 0, votes: 1, agreement: 1, expired: 0, stale: 0 },
    ]);
    expect(groupOf(bench.desk, id)).toMatchObject({ state: 'decided', round: 0 });
    await bench.beginRound(1);
    expect(groupOf(bench.desk, id).state).toBe('trained');
    expect(bench.events.at(-1)).toEqual({ type: 'round', round: 0, policyVersion: 1 });
  });

  it('should say which of two policies people preferred, and by whom its pictures are, once they have', async () => {
    const comparison = { canary: 5, pictures: [1, 2] };
    const bench = await start({ draw: (request) => ({ ...drawnOf(request), comparison }) });
    const waiting = await bench.ask();
    expect(waiting.comparison).toBeNull();
    const { id } = await bench.decided({ voter: 'ann', best: 2 });
    expect(groupOf(bench.desk, id).comparison).toEqual(comparison);
    bench.leave();
    // The vote was late: the choice is told when the group has its place, also by a gateway that was opened meanwhile.
    const again = await start({ path: bench.path });
    await give(again, ticket(id));
    await vi.waitFor(() =>
      expect(again.metrics).toMatchObject([{ groupId: '0-0', choice: { canary: 5, preference: 1 } }]),
    );
  });

  it('should go on to the samplers where its prompt is of another source', async () => {
    const bench = await start();
    const passed: PromptTicket[] = [];
    const topic = 'prompts-to-sample' as 'prompts';
    bench.context.transport
      .subscribe({ topic, consumerGroup: 'test', maxInFlight: 9 })
      .subscribe(({ message }) => passed.push(message));
    await give(bench, ticket(undefined));
    await give(bench, ticket('somebody', 0, 1));
    await vi.waitFor(() => expect(passed.map(({ groupId }) => groupId)).toEqual(['0-0', '0-1']));
    expect(bench.rewards).toEqual([]);
  });

  it('should lose a group whose policy has moved on, and count it', async () => {
    const bench = await start();
    const old = await bench.decided();
    await bench.beginRound(2);
    await give(bench, ticket(old.id, 2));
    await vi.waitFor(() =>
      expect(bench.rewards).toMatchObject([{ groupId: '2-0', reason: 'stale', detail: expect.any(String) }]),
    );
    await vi.waitFor(() => expect(groupOf(bench.desk, old.id).state).toBe('stale'));
    const fresh = await bench.decided();
    await give(bench, ticket(fresh.id, 2, 1));
    await vi.waitFor(() => expect(bench.metrics).toMatchObject([{ groupId: '2-1', stale: 1 }]));
  });

  it('should not call a group trained whose round was closed without it', async () => {
    const bench = await start();
    const { id } = await bench.decided();
    await give(bench, ticket(id));
    await vi.waitFor(() => expect(groupOf(bench.desk, id).round).toBe(0));
    await bench.beginRound(1, [{ round: 0, trained: ['0-1'], stale: [] }]);
    await vi.waitFor(() => expect(groupOf(bench.desk, id).state).toBe('lost'));
    expect(bench.events.filter(({ type }) => type === 'round')).toHaveLength(1);
    await bench.close();
    bench.leave();
    const again = await start({ path: bench.path, firstRound: 1 });
    expect(groupOf(again.desk, id)).toMatchObject({ state: 'lost', round: 0 });
  });

  it('should send no prompt in for a group that is decided too late', async () => {
    const bench = await start();
    const { id } = await bench.ask();
    await bench.beginRound(2);
    expect(bench.desk.needsFeedback({ voter: 'bob', limit: 9 })).toEqual([]);
    const { group } = await bench.desk.vote(id, { voter: 'bob', best: 0 });
    expect(group).toMatchObject({ state: 'stale', rewards: [1, 0, 0, 0] });
    expect(bench.prompts).toEqual([]);
  });

  it.each<[string, (id: string, bench: Bench & { path: string }) => Promise<PromptTicket>]>([
    ['that is unknown', async () => ticket('g-0123456789abcdef01234567', 0, 1)],
    [
      'that was deleted',
      async (id, bench) => {
        await bench.desk.deletePerson('ann');
        bench.passUntil(1);
        return ticket(id, 0, 1);
      },
    ],
    [
      'that has its place already',
      async (id, bench) => {
        await give(bench, ticket(id));
        await vi.waitFor(() => expect(groupOf(bench.desk, id).round).toBe(0));
        await bench.beginRound(1);
        return ticket(id, 1, 1);
      },
    ],
    [
      'whose file is damaged',
      async (id, { path }) => {
        await writeFile(join(path, 'groups', id, 'trajectories.bin'), 'what');
        return ticket(id, 0, 1);
      },
    ],
  ])('should lose a group %s, and no other', async (_, spoil) => {
    const bench = await start();
    const { id } = await bench.decided();
    const spoilt = await spoil(id, bench);
    await give(bench, spoilt);
    const { groupId, round } = spoilt;
    await vi.waitFor(() =>
      expect(bench.rewards).toContainEqual({ groupId, round, reason: 'dropped', detail: expect.any(String) }),
    );
    const next = await bench.decided({ voter: 'cy', best: 0 });
    await give(bench, ticket(next.id, round, 5));
    await vi.waitFor(() =>
      expect(bench.rewards).toContainEqual({ groupId: `${round}-5`, round, rewards: [1, 0, 0, 0] }),
    );
    expect(bench.error()).toBeUndefined();
  });

  it('should be answered alike after a restart whose run goes on before its round', async () => {
    const bench = await start();
    const { id } = await bench.decided();
    await give(bench, ticket(id));
    await vi.waitFor(() => expect(bench.rewards).toHaveLength(1));
    bench.leave();
    const again = await start({ path: bench.path });
    await vi.waitFor(() => expect(again.prompts).toEqual([{ id, prompt: 'a red circle' }]));
    await give(again, ticket(id));
    await vi.waitFor(() => expect(again.rewards).toEqual(bench.rewards));
    expect(again.trajectories).toEqual(bench.trajectories);
    // Once the round is finished, it is over for good.
    again.leave();
    const later = await start({ path: bench.path, firstRound: 1 });
    expect(groupOf(later.desk, id).state).toBe('trained');
    expect(later.prompts).toEqual([]);
  });
});
