/** @file What is kept of a person at two gateways of one run, which read the same topics into stores of their own. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { personKey } from '../../../../src/streams/stages/gateway/deleted-people.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { codeOf, drawnOf, gatewayBench, groupOf } from './gateway-bench.js';

const OVERRIDES = [
  'transport.kind=kafka',
  'stages.gateway.catchUpWithinMs=1000',
  'stages.gateway.feedback.voters=2',
];
const BOTH = { complete: true, gateways: { running: 2, answered: 2 } };
const PATIENCE = { timeout: 20_000 };

/** The first gateway of a run, and what opens the second one, which begins with what the topics hold by then. */
async function start() {
  const paths = [await temporaryFolder(), await temporaryFolder()] as const;
  const first = await gatewayBench({ path: paths[0], overrides: OVERRIDES });
  onTestFinished(first.close);
  const again = async (index: 0 | 1) => {
    const gateway = await gatewayBench({ path: paths[index], overrides: OVERRIDES, beside: first });
    onTestFinished(gateway.close);
    return gateway;
  };
  const kept = async (index: 0 | 1) => {
    const files = ['votes.jsonl', 'pairs.jsonl', 'deleted.jsonl'];
    const texts = files.map((file) => readFile(join(paths[index], file), 'utf8').catch(() => ''));
    return (await Promise.all(texts)).join('');
  };
  return { first, again, kept };
}

describe('the data of a person at two gateways', () => {
  it('should be exported from both, whichever is asked', async () => {
    const { first, again } = await start();
    const early = await first.ask('a red circle', 'ann');
    await first.desk.vote(early.id, { voter: 'bob', best: 2 });
    const second = await again(1);
    const late = await second.ask('a blue square', 'ann');
    await second.desk.vote(late.id, { voter: 'bob', best: 1 });
    expect(second.desk.group(early.id)).toBeUndefined();
    for (const { desk } of [first, second]) {
      const exported = await desk.exportPerson('ann');
      expect(exported).toMatchObject({ person: 'ann', votes: [], ...BOTH });
      expect(exported.groups.map(({ id, votes }) => [id, votes]).sort()).toEqual(
        [early, late].map(({ id }) => [id, 1]).sort(),
      );
      const { votes } = await desk.exportPerson('bob');
      expect(votes.map(({ groupId, judgment }) => ({ groupId, ...judgment }))).toEqual(
        expect.arrayContaining([
          { groupId: early.id, best: 2 },
          { groupId: late.id, best: 1 },
        ]),
      );
      expect(votes).toHaveLength(2);
    }
  });

  it('should be said to be incomplete where a gateway does not answer in time, or not as it should', async () => {
    const { first } = await start();
    const { transport } = first.context;
    transport.subscribe({ topic: 'prompts', consumerGroup: 'gateways', maxInFlight: 1 }).subscribe();
    const exporting = first.desk.exportPerson('ann');
    const asked = first.read('people');
    await vi.waitFor(() => expect(asked).toHaveLength(1), PATIENCE);
    const [message] = asked;
    const answerTo = message && 'question' in message ? message.question.id : '';
    for (const found of [
      { removedGroups: 1, removedVotes: 1 },
      { groups: [{ record: '{}', votes: 0 }], votes: [] },
      { groups: [], votes: [JSON.stringify({ groupId: 'g', voter: 'bob', judgment: { best: 0 }, at: '' })] },
    ])
      await transport.publish('people', { key: answerTo, message: { answerTo, gateway: 'other', found } });
    first.passUntil(1000);
    expect(await exporting).toEqual({
      ...{ person: 'ann', groups: [], votes: [] },
      ...{ complete: false, gateways: { running: 2, answered: 1 } },
    });
    // It is deleted here, whatever the other one does.
    const deletions = first.read('deletions');
    const deleting = first.desk.deletePerson('ann');
    await vi.waitFor(() => expect(deletions).toHaveLength(1), PATIENCE);
    first.passUntil(2000);
    expect(await deleting).toMatchObject({ complete: false, gateways: { running: 2, answered: 1 } });
  });

  it('should be gone from both, also what was on its way, but not what comes later', async () => {
    const { first, again, kept } = await start();
    const second = await again(1);
    const letters = first.read('dead-letters');
    const own = await first.ask('a red circle', 'ann');
    const other = await second.ask('a blue square', 'bob');
    for (const { desk } of [first, second])
      await vi.waitFor(() => expect(desk.group(other.id) && desk.group(own.id)).toBeDefined(), PATIENCE);
    await first.desk.vote(other.id, { voter: 'ann', best: 1 });
    for (const bench of [first, second]) bench.passUntil(10);
    expect(await second.desk.deletePerson('ann')).toEqual({ groups: 1, votes: 1, ...BOTH });
    const { transport } = first.context;
    const vote = (givenAt: number) =>
      transport.publish('feedback', {
        key: other.id,
        message: { groupId: other.id, voter: 'ann', judgment: { best: 3 }, givenAt },
      });
    const id = 'g-0123456789abcdef01234567';
    const request = {
      id,
      prompt: 'a red circle',
      seed: 1,
      requestedBy: 'ann',
      requestedAt: 10,
      expiresAt: 99,
    };
    await vote(10);
    await transport.publish('drawn', { key: id, message: drawnOf(request) });
    for (const bench of [first, second]) {
      await bench.desk.vote(other.id, { voter: bench === first ? 'carl' : 'dora', skip: true });
      expect(bench.desk.group(own.id)).toBeUndefined();
      expect(bench.desk.group(id)).toBeUndefined();
      expect(groupOf(bench.desk, other.id).votes).toBe(0);
    }
    for (const index of [0, 1] as const) expect(await kept(index)).not.toContain('ann');
    expect(letters).toEqual([]);
    for (const bench of [first, second]) bench.passUntil(11);
    await vote(11);
    for (const { desk } of [first, second])
      await vi.waitFor(() => expect(groupOf(desk, other.id).votes).toBe(1), PATIENCE);
    expect([first.desk.group(id), second.desk.group(id)]).toEqual([undefined, undefined]);
  });

  it('should be gone from a gateway that was away, and not come back to one that is opened again', async () => {
    const { first, again, kept } = await start();
    const second = await again(1);
    const { id } = await first.ask('a red circle', 'bob');
    await first.desk.vote(id, { voter: 'ann', best: 1 });
    await vi.waitFor(() => expect(second.desk.group(id)?.votes).toBe(1), PATIENCE);
    second.leave();
    await second.close();
    expect(await first.desk.deletePerson('ann')).toMatchObject({ votes: 1, gateways: { running: 1 } });
    expect(await kept(1)).toContain('ann');
    const back = await again(1);
    await vi.waitFor(() => expect(groupOf(back.desk, id).votes).toBe(0), PATIENCE);
    await vi.waitFor(async () => expect(await kept(1)).not.toContain('ann'), PATIENCE);
    first.leave();
    await first.close();
    const reopened = await again(0);
    await first.context.transport.publish('feedback', {
      key: id,
      message: { groupId: id, voter: 'ann', judgment: { best: 1 }, givenAt: 0 },
    });
    await reopened.desk.vote(id, { voter: 'bob', best: 1 });
    expect(groupOf(reopened.desk, id).votes).toBe(1);
    for (const index of [0, 1] as const) expect(await kept(index)).not.toContain('ann');
  });

  it('should refuse a vote and pictures of which the person is deleted meanwhile', async () => {
    const { first, kept } = await start();
    const { id } = await first.ask('a red circle', 'bob');
    const voting = codeOf(first.desk.vote(id, { voter: 'ann', best: 1 }));
    const asking = codeOf(first.ask('a red circle', 'ann'));
    await first.desk.deletePerson('ann');
    expect(await Promise.all([voting, asking])).toEqual(['deleted', 'deleted']);
    expect(first.desk.own('ann', 9)).toEqual([]);
    expect(await kept(0)).not.toContain('ann');
    expect(first.error()).toBeUndefined();
  });

  it('should stay where it is newer than a deletion that is read late', async () => {
    const { first } = await start();
    const groups = [await first.ask('a red circle', 'bob'), await first.ask('a red circle', 'ann')];
    await first.desk.vote(groups[0]?.id ?? '', { voter: 'ann', best: 1 });
    first.passUntil(5);
    const later = await first.ask('a red circle', 'ann');
    await first.desk.vote(later.id, { voter: 'ann', best: 2 });
    const deletion = { person: personKey('ann'), deletedAt: 3, question: { id: 'other/1', expiresAt: 0 } };
    await first.context.transport.publish('deletions', { key: deletion.person, message: deletion });
    await vi.waitFor(() => expect(groupOf(first.desk, groups[0]?.id ?? '').votes).toBe(0), PATIENCE);
    expect(first.desk.own('ann', 9).map(({ id }) => id)).toEqual([later.id]);
    // It still counts: the second vote decides.
    const { group } = await first.desk.vote(later.id, { voter: 'bob', best: 2 });
    expect(group.rewards).toEqual([0, 0, 1, 0]);
  });

  it('should stay where so many are asked for that a deletion is refused', async () => {
    const { first } = await start();
    const { id } = await first.ask('a red circle', 'ann');
    const waiting = { topic: 'prompts', consumerGroup: 'gateways', maxInFlight: 1 } as const;
    first.context.transport.subscribe(waiting).subscribe();
    const asked = first.read('people');
    const open = Array.from({ length: 100 }, () => first.desk.exportPerson('bob'));
    expect(await codeOf(first.desk.deletePerson('ann'))).toBe('queue-full');
    expect(groupOf(first.desk, id).requestedBy).toBe('ann');
    await vi.waitFor(() => expect(asked).toHaveLength(100), PATIENCE);
    first.passUntil(60_000);
    await Promise.all(open);
  });

  it('should survive votes and deletions from the end of time', async () => {
    const { first } = await start();
    const { id } = await first.ask('a red circle', 'bob');
    const { transport } = first.context;
    const vote = (givenAt: number) =>
      transport.publish('feedback', {
        key: id,
        message: { groupId: id, voter: 'ann', judgment: { best: 0 }, givenAt },
      });
    await vote(8.64e15);
    await vi.waitFor(() => expect(groupOf(first.desk, id).votes).toBe(1), PATIENCE);
    expect(await first.desk.deletePerson('ann')).toMatchObject({ votes: 1 });
    expect(groupOf(first.desk, id).votes).toBe(0);
  });
});
