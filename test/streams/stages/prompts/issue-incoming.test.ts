import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { PromptTicket } from '../../../../src/operators/index.js';
import {
  type RewardNameFault,
  rewardNameFault,
} from '../../../../src/streams/config/resolved/named-rewards.js';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { PromptInbox } from '../../../../src/streams/stages/prompts/prompt-inbox.js';
import { promptsStage } from '../../../../src/streams/stages/prompts/prompts-stage.js';
import { listed } from '../../../fixtures/listed-prompts.js';
import { COMBINED } from '../../config/combined-stages.js';
import { stageBench } from '../stage-bench.js';

const STAGE =
  'stages.prompts={type: prompts, train: t, heldOut: h, groupsPerRound: 2, numRounds: 3, runAhead: 2, source: {from: topic, maxWaiting: 8}}';
const SIZES = [
  STAGE,
  'stages.sampler.groupsPerBatch=2',
  'stages.trainer.updates={from: round, samplesPerUpdate: 2}',
];

const BY_TIME = ['stages.advantages.closeAfterMs=60000'];

interface Options {
  readonly overrides?: readonly string[];
  readonly firstRound?: number;
  /** Tickets that a transport which lasts would hold. */
  readonly held?: readonly PromptTicket[];
  readonly faultOf?: RewardNameFault;
}

/** The stage over prompts of a topic, and a progress that is published by hand. */
function start({ overrides = [], firstRound = 0, held = [], faultOf = () => null }: Options = {}) {
  const bench = stageBench([...SIZES, ...overrides], firstRound);
  const { transport, config } = bench.context;
  const readBack: typeof transport.readBack = async (_, take) => {
    for (const ticket of held) (take as (ticket: PromptTicket) => void)(ticket);
  };
  const context = { ...bench.context, transport: { ...transport, readBack } };
  const tickets = bench.read('prompts');
  const letters = bench.read('dead-letters');
  const headers = bench.readHeaders('dead-letters');
  const inbox = new PromptInbox({ transport, maxWaiting: 8, faultOf });
  const issued: number[] = [];
  let isComplete = false;
  const subscription = promptsStage(context, { from: 'topic', inbox }, (stage) =>
    issued.push(stage),
  ).subscribe({
    complete: () => {
      isComplete = true;
    },
  });
  onTestFinished(() => subscription.unsubscribe());
  return {
    ...bench,
    tickets,
    letters,
    headers,
    inbox,
    issued,
    isComplete: () => isComplete,
    finish: (round: number) =>
      transport.publish('progress', { key: 'run', message: progressAt(config, round) }),
    /** Closes the stage by time; it is trained from now on. */
    close: (round: number) =>
      transport.publish('progress', {
        key: 'run',
        message: progressAt(config, round, { isNextClosed: true }),
      }),
    write: (id: string, prompt = `prompt ${id}`, key = id) =>
      transport.publish('incoming-prompts', { key, message: { id, prompt } }),
    given: () => tickets.map(({ groupId, sourceId }) => `${groupId} ${sourceId}`),
  };
}

const ticket = (round: number, index: number, sourceId: string): PromptTicket => ({
  groupId: `${round}-${index}`,
  groupIndex: round * 2 + index,
  round,
  prompt: `prompt ${sourceId}`,
  sourceId,
});

describe('promptsStage with prompts of a topic', () => {
  it('should give admitted groups the prompts in turn, and hold the others back', async () => {
    const { write, finish, given, tickets, issued, inbox, isComplete } = start();
    for (const id of ['a', 'b', 'c']) await write(id);
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a', '0-1 b']));
    expect(tickets[0]).toEqual(ticket(0, 0, 'a'));
    expect([issued, inbox.numWaiting]).toEqual([[0], 1]);
    await finish(1);
    await vi.waitFor(() => expect(given().slice(2)).toEqual(['1-0 c']));
    expect(issued).toEqual([0]);
    await write('d');
    await vi.waitFor(() => expect(issued).toEqual([0, 1]));
    await finish(2);
    for (const id of ['e', 'f', 'g']) await write(id);
    await vi.waitFor(() => expect(tickets).toHaveLength(6));
    await finish(3);
    await vi.waitFor(() => expect(isComplete()).toBe(true));
    expect(given().slice(3)).toEqual(['1-1 d', '2-0 e', '2-1 f']);
    expect(await inbox.accept([{ id: 'h', prompt: 'h' }])).toEqual({ kind: 'over' });
  });

  it('should give a ticket the metadata of its prompt', async () => {
    const { context, tickets } = start();
    const message = { id: 'a', prompt: 'a cat', metadata: { count: 1 } };
    await context.transport.publish('incoming-prompts', { key: 'a', message });
    await vi.waitFor(() => expect(tickets).toHaveLength(1));
    expect(tickets[0]).toMatchObject({ prompt: 'a cat', metadata: { count: 1 }, sourceId: 'a' });
  });

  it('should issue an id once, however often and whenever it comes', async () => {
    const { write, finish, given, inbox } = start();
    for (const id of ['a', 'a', 'b', 'a', 'c']) await write(id);
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a', '0-1 b']));
    expect(await inbox.accept([{ id: 'a', prompt: 'prompt a' }])).toMatchObject({ kind: 'accepted' });
    await finish(1);
    await write('b');
    await write('d');
    await vi.waitFor(() => expect(given().slice(2)).toEqual(['1-0 c', '1-1 d']));
    expect(inbox.numWaiting).toBe(0);
  });

  it('should keep the groups that prompts had before a restart, and go on behind them', async () => {
    const held = [ticket(0, 0, 'x'), ticket(0, 1, 'y'), ticket(1, 0, 'a')];
    const { write, given, finish, issued } = start({ firstRound: 1, held });
    // What was not acknowledged comes again.
    for (const id of ['y', 'a', 'b', 'c', 'd']) await write(id);
    await vi.waitFor(() => expect(given()).toEqual(['1-1 b']));
    expect(issued).toEqual([1]);
    await finish(2);
    await vi.waitFor(() => expect(given().slice(1)).toEqual(['2-0 c', '2-1 d']));
  });

  it('should take no ticket of another run for its own', async () => {
    const held = [
      { ...ticket(0, 0, 'a'), groupId: '0-7' },
      { ...ticket(0, 1, 'b'), groupIndex: 4 },
    ];
    const { write, given } = start({ held });
    for (const id of ['a', 'b']) await write(id);
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a', '0-1 b']));
  });

  it.each([
    ['', 'prompt', 'x', 'expected a prompt, got an empty one'],
    ['p'.repeat(4001), 'prompt', 'x', 'expected a prompt of at most 4000 characters, got one of 4001'],
    ['p', 'key', 'y', 'expected the id as key, got another'],
  ])('should refuse %.3s with a bad %s, and go on', async (prompt, _, key, reason) => {
    const { write, given, letters, headers } = start();
    await write('x', prompt, key);
    await write('a');
    await vi.waitFor(() => expect(letters).toEqual([{ id: 'x', prompt }]));
    expect(headers).toEqual([{ origin: 'incoming-prompts', stage: 'prompts', reason, attempts: '3' }]);
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a']));
  });

  it('should make a prompt for a reward that is not there a dead letter, and go on', async () => {
    const { context, write, given, headers } = start({ faultOf: rewardNameFault({ stages: COMBINED }) });
    const message = { id: 'x', prompt: 'p', metadata: { reward: 'fits' } };
    await context.transport.publish('incoming-prompts', { key: 'x', message });
    await write('a');
    await vi.waitFor(() => expect(headers).toHaveLength(1));
    expect(headers[0]?.reason).toBe(
      'expected reward in the metadata to name one or several of fit, people, got "fits"',
    );
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a']));
  });

  it('should give no prompt to a group whose stage is closed by time, but to the next one', async () => {
    const { write, close, finish, given, issued, inbox, isComplete } = start({ overrides: BY_TIME });
    await write('a');
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a']));
    await close(0);
    for (const id of ['b', 'c', 'd']) await write(id);
    expect([given(), inbox.numWaiting]).toEqual([['0-0 a'], 3]);
    await finish(1);
    await vi.waitFor(() => expect(given().slice(1)).toEqual(['1-0 b', '1-1 c']));
    expect(inbox.numWaiting).toBe(1);
    await finish(2);
    await vi.waitFor(() => expect(given().slice(3)).toEqual(['2-0 d']));
    expect([issued, isComplete()]).toEqual([[1], false]);
    await close(2);
    await finish(3);
    await vi.waitFor(() => expect(isComplete()).toBe(true));
    expect(await inbox.accept([{ id: 'e', prompt: 'e' }])).toEqual({ kind: 'over' });
  });

  it('should go on where a run has come to that closed stages whose groups were never admitted', async () => {
    const { write, finish, given } = start({ overrides: BY_TIME });
    await write('a');
    await vi.waitFor(() => expect(given()).toEqual(['0-0 a']));
    await finish(2);
    for (const id of ['b', 'c']) await write(id);
    await vi.waitFor(() => expect(given().slice(1)).toEqual(['2-0 b', '2-1 c']));
  });

  it('should not wait for prompts when the run is stopping', async () => {
    const { write, finish, given, stop, issued, isComplete } = start();
    for (const id of ['a', 'b', 'c']) await write(id);
    await vi.waitFor(() => expect(given()).toHaveLength(2));
    await finish(1);
    await vi.waitFor(() => expect(given()).toHaveLength(3));
    stop.abort();
    await vi.waitFor(() => expect(isComplete()).toBe(true));
    expect(issued).toEqual([0]);
  });
});

describe('promptsStage with prompts of a file', () => {
  it('should issue no ticket again that is in its topic', async () => {
    const bench = stageBench(SIZES);
    const held = [ticket(0, 0, 'kept')];
    const readBack = (async (_: string, take: (message: PromptTicket) => void) =>
      held.forEach(take)) as unknown as typeof bench.context.transport.readBack;
    const transport = { ...bench.context.transport, readBack };
    const tickets = bench.read('prompts');
    const source = { from: 'file', prompts: listed('a') } as const;
    const subscription = promptsStage({ ...bench.context, transport }, source, () => undefined).subscribe();
    onTestFinished(() => subscription.unsubscribe());
    await vi.waitFor(() => expect(tickets.map(({ groupId }) => groupId)).toEqual(['0-1']));
  });
});
