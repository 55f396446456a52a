import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { DeskErrorCode, Judgment, Vote } from '../../../../src/streams/stages/gateway/desk.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { codeOf, gatewayBench, groupOf } from './gateway-bench.js';

const linesOf = async (path: string): Promise<unknown[]> =>
  (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('drawing at a desk', () => {
  it('should answer with a group that is on disk, and tell of it', async () => {
    const path = await temporaryFolder();
    const { desk, ask, events } = await gatewayBench({ path });
    const group = await ask('a blue square', 'ann');
    expect(group).toMatchObject({
      ...{ prompt: 'a blue square', state: 'waiting', requestedBy: 'ann', policyVersion: 0, round: null },
      ...{ size: [16, 16], pictures: 4, votes: 0, rewards: null, agreement: null },
      tree: { firstStep: 3, numSteps: 10, forkStep: 3, guesses: [{ step: 3, node: 0 }] },
    });
    expect((await readdir(join(path, 'groups', group.id))).sort()).toEqual(
      ['0.png', '1.png', '2.png', '3.png', 'group.json', 'guess-3-0.png', 'trajectories.bin'].sort(),
    );
    expect(await desk.picture(group.id, '2')).toEqual(Buffer.of(2));
    expect(await desk.picture(group.id, 'guess-3-0')).toEqual(Buffer.of(9));
    const told = events.map((event) => (event.type === 'group' ? event.group.state : event.type));
    expect(told).toEqual(['drawing', 'waiting', 'step']);
    expect(desk.own('ann', 5)).toEqual([group]);
    expect(desk.own('bob', 5)).toEqual([]);
  });

  it.each(['4', 'guess-3-1', '../group', 'group.json', ''])(
    'should give no picture of the name %j',
    async (name) => {
      const { desk, ask } = await gatewayBench({ path: await temporaryFolder() });
      const { id } = await ask();
      expect(await desk.picture(id, name)).toBeUndefined();
      expect(await desk.picture('../../etc', '0')).toBeUndefined();
    },
  );

  it.each<[string, string, string]>([
    ['an empty prompt', ' ', 'ann'],
    ['10,000 characters', 'a'.repeat(10_000), 'ann'],
    ['control characters', 'a red\u0007circle', 'ann'],
    ['half a character', 'a \ud800 circle', 'ann'],
    ['a client without a name', 'a red circle', ''],
  ])('should refuse %s, and go on', async (_, prompt, client) => {
    const { ask, error, desk } = await gatewayBench({ path: await temporaryFolder() });
    expect(await codeOf(ask(prompt, client))).toBe('prompt-refused');
    expect((await ask()).state).toBe('waiting');
    expect(desk.status()).toMatchObject({ queued: 0, waiting: 1 });
    expect(error()).toBeUndefined();
  });

  it('should refuse what the model cannot read, with its reason', async () => {
    const fault = 'expected a word, got "?"';
    const { ask, desk } = await gatewayBench({
      path: await temporaryFolder(),
      draw: (request) => ({ request, fault }),
    });
    await expect(ask('?')).rejects.toThrow(fault);
    expect(desk.own('ann', 5)).toEqual([]);
  });

  it('should give up on a request that is not drawn in time, and draw the next', async () => {
    const silent = { path: await temporaryFolder(), draw: () => null };
    const { ask, passUntil, desk, events } = await gatewayBench(silent);
    const asked = codeOf(ask());
    passUntil(29_999);
    expect(desk.status().queued).toBe(1);
    passUntil(30_000);
    expect(await asked).toBe('deadline');
    expect(desk.status().queued).toBe(0);
    expect(events.at(-1)).toMatchObject({ type: 'group', group: { state: 'failed' } });
  });

  it('should refuse one request more than may wait, and all when it closes', async () => {
    const overrides = ['stages.gateway.maxQueued=2'];
    const { ask, close } = await gatewayBench({ path: await temporaryFolder(), overrides, draw: () => null });
    const waiting = [codeOf(ask()), codeOf(ask())];
    expect(await codeOf(ask())).toBe('queue-full');
    await close();
    expect(await Promise.all(waiting)).toEqual(['shutting-down', 'shutting-down']);
    expect(await codeOf(ask())).toBe('shutting-down');
  });
});

describe('voting at a desk', () => {
  it('should decide with the vote, have it on disk, and send the prompt in', async () => {
    const path = await temporaryFolder();
    const { desk, ask, prompts } = await gatewayBench({ path });
    const { id } = await ask();
    const voted = await desk.vote(id, { voter: 'ann', best: 2 });
    expect(voted).toMatchObject({
      isNew: true,
      group: { state: 'decided', votes: 1, rewards: [0, 0, 1, 0] },
    });
    expect(await linesOf(join(path, 'votes.jsonl'))).toMatchObject([
      { groupId: id, voter: 'ann', judgment: { best: 2 } },
    ]);
    const pair = { prompt: 'a red circle', groupId: id, chosen: 2, policyVersion: 0, voter: 'ann' };
    expect(await linesOf(join(path, 'pairs.jsonl'))).toEqual(
      [0, 1, 3].map((rejected) => ({ ...pair, rejected })),
    );
    await vi.waitFor(() => expect(prompts).toEqual([{ id, prompt: 'a red circle' }]));
  });

  it('should take the same vote twice as one, also at the same time', async () => {
    const path = await temporaryFolder();
    const { desk, ask } = await gatewayBench({ path, overrides: ['stages.gateway.feedback.voters=2'] });
    const { id } = await ask();
    const vote: Vote = { voter: 'ann', idempotencyKey: 'k', ranking: [0, 1, 2, 3] };
    const both = await Promise.all([desk.vote(id, vote), desk.vote(id, vote)]);
    expect(both.map(({ isNew }) => isNew).sort()).toEqual([false, true]);
    expect((await desk.vote(id, vote)).isNew).toBe(false);
    expect(groupOf(desk, id)).toMatchObject({ state: 'waiting', votes: 1 });
    expect(await linesOf(join(path, 'votes.jsonl'))).toHaveLength(1);
  });

  it.each<[DeskErrorCode, Vote]>([
    ['contradicts', { voter: 'ann', best: 1 }],
    ['contradicts', { voter: 'ann', skip: true }],
    ['finished', { voter: 'bob', best: 0 }],
    ['out-of-range', { voter: 'bob', best: 4 }],
    ['out-of-range', { voter: 'bob', ranking: [0, 1, 2] }],
    ['out-of-range', { voter: 'bob', ratings: [0, 1, 2, 3] }],
    ['out-of-range', { voter: '', best: 1 }],
  ])('should refuse as %s, after ann chose 0: %j', async (code, vote) => {
    const path = await temporaryFolder();
    const { desk, ask, error } = await gatewayBench({ path });
    const { id } = await ask();
    await desk.vote(id, { voter: 'ann', best: 0 });
    expect(await codeOf(desk.vote(id, vote))).toBe(code);
    expect(await codeOf(desk.vote('g-0', vote))).toBe('unknown-group');
    expect(await linesOf(join(path, 'votes.jsonl'))).toHaveLength(1);
    expect(error()).toBeUndefined();
  });

  it('should list what waits for a voter, the oldest first, without what they judged or skipped', async () => {
    const overrides = ['stages.gateway.feedback.voters=2'];
    const { desk, ask } = await gatewayBench({ path: await temporaryFolder(), overrides });
    const ids: string[] = [];
    for (let index = 0; index < 4; index++) ids.push((await ask()).id);
    await desk.vote(ids[0] ?? '', { voter: 'ann', best: 0 });
    await desk.vote(ids[2] ?? '', { voter: 'ann', skip: true });
    const waitingFor = (voter: string, limit = 9) => desk.needsFeedback({ voter, limit }).map(({ id }) => id);
    expect(waitingFor('ann')).toEqual([ids[1], ids[3]]);
    expect(waitingFor('bob', 3)).toEqual(ids.slice(0, 3));
    await desk.vote(ids[2] ?? '', { voter: 'ann', none: true });
    expect(groupOf(desk, ids[2] ?? '').votes).toBe(1);
  });

  it('should expire a group without a decision at its time, and the oldest for one more', async () => {
    const path = await temporaryFolder();
    const overrides = ['stages.gateway.maxWaiting=2', 'stages.gateway.feedbackWithinMs=1000'];
    const { desk, ask, passUntil, close } = await gatewayBench({ path, overrides });
    const groups = [await ask(), await ask(), await ask()];
    const states = () => groups.map(({ id }) => groupOf(desk, id).state);
    expect(states()).toEqual(['expired', 'waiting', 'waiting']);
    await desk.vote(groups[1]?.id ?? '', { voter: 'ann', best: 0 });
    passUntil(1000);
    expect(states()).toEqual(['expired', 'decided', 'expired']);
    expect(await codeOf(desk.vote(groups[2]?.id ?? '', { voter: 'ann', best: 0 }))).toBe('finished');
    expect(desk.status()).toMatchObject({ waiting: 0, decided: 1, expired: 2 });
    await close();
    const again = await gatewayBench({ path, overrides });
    expect(again.desk.status()).toMatchObject({ waiting: 0, decided: 1, expired: 2 });
  });

  it('should take votes that others write, and make those that do not fit dead letters', async () => {
    const { context, desk, ask, read } = await gatewayBench({ path: await temporaryFolder() });
    const { id } = await ask();
    const letters = read('dead-letters');
    const say = (judgment: Judgment, groupId = id) => {
      const message = { groupId, voter: 'program', judgment, givenAt: 5 };
      return context.transport.publish('feedback', { key: groupId, message });
    };
    await say({ best: 7 });
    await say({ best: 3 });
    await say({ best: 1 }, 'g-unknown');
    await vi.waitFor(() => expect(letters).toHaveLength(2));
    await vi.waitFor(() => expect(groupOf(desk, id).rewards).toEqual([0, 0, 0, 1]));
  });
});

describe('a desk that is opened again', () => {
  it('should know all that was told, whatever a crash left, and count nothing twice', async () => {
    const path = await temporaryFolder();
    const overrides = ['stages.gateway.feedback.voters=2'];
    const before = await gatewayBench({ path, overrides });
    const [first, second] = [await before.ask(), await before.ask()];
    await before.desk.vote(first.id, { voter: 'ann', best: 0 });
    await before.desk.vote(first.id, { voter: 'bob', best: 0 });
    await before.desk.vote(second.id, { voter: 'ann', best: 3 });
    await vi.waitFor(() => expect(before.prompts).toHaveLength(1));
    // As kill -9 leaves it: nothing is closed, a line and a folder are not whole.
    before.leave();
    await appendFile(join(path, 'votes.jsonl'), '{"groupId":"g-');
    await writeFile(join(path, 'groups', '.g-1.1-0-0.tmp'), 'half');
    const after = await gatewayBench({ path, overrides });
    expect(after.warnings).toEqual([expect.stringContaining('got 1 that cannot be read')]);
    expect(groupOf(after.desk, first.id)).toEqual(groupOf(before.desk, first.id));
    expect(groupOf(after.desk, second.id)).toEqual(groupOf(before.desk, second.id));
    // Its round was not finished: it comes in again, under the same id.
    await vi.waitFor(() => expect(after.prompts).toEqual(before.prompts));
    expect(await codeOf(after.desk.vote(second.id, { voter: 'ann', best: 0 }))).toBe('contradicts');
    await after.desk.vote(second.id, { voter: 'bob', best: 3 });
    await vi.waitFor(() => expect(after.prompts.map(({ id }) => id)).toEqual([first.id, second.id]));
    expect(await linesOf(join(path, 'votes.jsonl'))).toHaveLength(4);
  });

  it('should pass over a group whose file is damaged, and say so', async () => {
    const path = await temporaryFolder();
    const { ask } = await gatewayBench({ path });
    const [lost, kept] = [await ask(), await ask()];
    await writeFile(join(path, 'groups', lost.id, 'group.json'), '{"id":');
    const { desk, warnings } = await gatewayBench({ path });
    expect(warnings).toEqual([expect.stringContaining(lost.id)]);
    expect(desk.group(lost.id)).toBeUndefined();
    expect(groupOf(desk, kept.id).state).toBe('waiting');
  });
});

describe('the data of a person', () => {
  it('should be exported, and be gone from the files once it is deleted', async () => {
    const path = await temporaryFolder();
    const overrides = ['stages.gateway.feedback.voters=2'];
    const { desk, ask } = await gatewayBench({ path, overrides });
    const own = await ask('a red circle', 'ann');
    const other = await ask('a blue square', 'bob');
    await desk.vote(own.id, { voter: 'bob', best: 0 });
    await desk.vote(other.id, { voter: 'ann', best: 1 });
    expect(await desk.exportPerson('ann')).toMatchObject({
      groups: [{ id: own.id }],
      votes: [{ groupId: other.id, judgment: { best: 1 } }],
    });
    const alone = { complete: true, gateways: { running: 1, answered: 1 } };
    expect(await desk.deletePerson('ann')).toEqual({ groups: 1, votes: 1, ...alone });
    expect(await desk.exportPerson('ann')).toEqual({ person: 'ann', groups: [], votes: [], ...alone });
    expect(await readdir(join(path, 'groups'))).toEqual([other.id]);
    for (const file of ['votes.jsonl', 'pairs.jsonl'])
      expect(await readFile(join(path, file), 'utf8')).not.toContain('ann');
    // Her vote counts no more: two others decide.
    await desk.vote(other.id, { voter: 'bob', best: 2 });
    expect(groupOf(desk, other.id)).toMatchObject({ state: 'waiting', votes: 1 });
  });

  it('should be kept as long as the settings say', async () => {
    const path = await temporaryFolder();
    const overrides = ['stages.gateway.retention.groupsDays=1', 'stages.gateway.feedbackWithinMs=1000'];
    const { desk, ask, passUntil } = await gatewayBench({ path, overrides });
    const expired = await ask();
    const decided = await ask();
    await desk.vote(decided.id, { voter: 'ann', best: 0 });
    passUntil(86_400_000);
    expect(desk.group(expired.id)?.state).toBe('expired');
    passUntil(90_000_000);
    await vi.waitFor(async () => expect(await readdir(join(path, 'groups'))).toEqual([decided.id]));
    expect(desk.group(expired.id)).toBeUndefined();
  });
});
