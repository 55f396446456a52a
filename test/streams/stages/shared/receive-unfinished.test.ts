import { describe, expect, it, vi } from 'vitest';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { RUN_KEY } from '../../../../src/streams/messages/messages.js';
import { groupFault } from '../../../../src/streams/stages/shared/group-faults.js';
import { receiveUnfinished } from '../../../../src/streams/stages/shared/receive-unfinished.js';
import { stageBench } from '../stage-bench.js';

const ticket = (round: number, index: number) => ({
  groupId: `${round}-${index}`,
  groupIndex: 32 * round + index,
  round,
  prompt: 'a',
});

function start(firstRound = 0) {
  const bench = stageBench([], firstRound);
  const { transport, config } = bench.context;
  const taken: string[] = [];
  const late: true[] = [];
  const read = (onRepeat?: () => void) =>
    receiveUnfinished({
      transport,
      topic: 'prompts',
      consumerGroup: 'samplers',
      maxInFlight: 100,
      faultOf: groupFault(config),
      onLate: () => late.push(true),
      ...(onRepeat && { onRepeat }),
    }).subscribe(({ groupId }) => taken.push(groupId));
  const send = (message: ReturnType<typeof ticket>, key = message.groupId) =>
    transport.publish('prompts', { key, message });
  const finish = (stages: number) =>
    transport.publish('progress', { key: RUN_KEY, message: progressAt(config, stages) });
  return { ...bench, taken, late, read, send, finish };
}

describe('receive', () => {
  it('should hand on what came, and again after a reader has gone away before the stage was finished', async () => {
    const { taken, read, send } = start();
    await send(ticket(0, 0));
    read().unsubscribe();
    read();
    await vi.waitFor(() => expect(taken).toEqual(['0-0', '0-0']));
  });

  it('should acknowledge a finished stage, and nothing of a later one', async () => {
    const { taken, read, send, finish } = start();
    const reader = read();
    await send(ticket(0, 0));
    await send(ticket(1, 0));
    await finish(1);
    reader.unsubscribe();
    read();
    await vi.waitFor(() => expect(taken).toEqual(['0-0', '1-0', '1-0']));
  });

  it('should acknowledge what comes for a finished stage, and go no further with it', async () => {
    const { taken, late, read, send } = start(2);
    read();
    for (const one of [ticket(1, 0), ticket(2, 0)]) await send(one);
    await vi.waitFor(() => expect(taken).toEqual(['2-0']));
    expect(late).toEqual([true]);
  });

  it('should pass over repeats of a group that is not finished, under its key or another', async () => {
    const { taken, late, read, send, finish } = start();
    const onRepeat = vi.fn();
    read(onRepeat);
    for (const key of ['0-0', '0-0', 'another', 'yet another']) await send(ticket(0, 0), key);
    await send(ticket(0, 1));
    await vi.waitFor(() => expect(taken).toEqual(['0-0', '0-1']));
    expect(onRepeat).toHaveBeenCalledTimes(3);
    await finish(1);
    await send(ticket(0, 0));
    await vi.waitFor(() => expect(late).toEqual([true]));
    expect(taken).toEqual(['0-0', '0-1']);
  });

  it('should hand on the loss of a group whose rewards wait, but neither twice, nor rewards after it', async () => {
    const { transport } = stageBench().context;
    const taken: string[] = [];
    const onRepeat = vi.fn();
    const options = {
      transport,
      topic: 'rewards',
      consumerGroup: 'trainer',
      maxInFlight: 9,
      onRepeat,
    } as const;
    receiveUnfinished(options).subscribe((one) => taken.push('reason' in one ? one.detail : one.groupId));
    const group = { groupId: '0-0', round: 0 };
    const lost = { ...group, reason: 'dropped', detail: 'lost' } as const;
    await transport.publish('rewards', { key: '0-0', message: { ...group, rewards: [1] } });
    for (const key of ['0-0/one', '0-0/two']) await transport.publish('rewards', { key, message: lost });
    await transport.publish('rewards', { key: 'another', message: { ...group, rewards: [1] } });
    await vi.waitFor(() => expect(onRepeat).toHaveBeenCalledTimes(2));
    expect(taken).toEqual(['0-0', 'lost']);
  });

  it('should refuse groups that a run of this config cannot have', async () => {
    const { taken, read, send, ...bench } = start();
    const letters = bench.readHeaders('dead-letters');
    read();
    const strange = ['0-999999', '1-0', 'x', '0-00', '-1-0', '0-0 '];
    for (const groupId of strange) await send({ ...ticket(0, 0), groupId });
    await send({ ...ticket(0, 0), groupId: '999-0', round: 999 });
    await send({ ...ticket(0, 0), groupIndex: 1 });
    await send(ticket(0, 0));
    await vi.waitFor(() => expect(letters).toHaveLength(strange.length + 2));
    expect(taken).toEqual(['0-0']);
    expect(letters[0]).toMatchObject({
      origin: 'prompts',
      reason: expect.stringMatching(/^expected a group <round>-<index> .* got "0-999999" of round 0$/),
    });
  });
});
