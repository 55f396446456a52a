/** @file The prompts stage over several sources. */

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { PromptTicket } from '../../../../src/operators/index.js';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import type { TopicMessages } from '../../../../src/streams/messages/messages.js';
import { PromptInbox } from '../../../../src/streams/stages/prompts/prompt-inbox.js';
import { promptsStage } from '../../../../src/streams/stages/prompts/prompts-stage.js';
import type { MergedSource } from '../../../../src/streams/stages/prompts/waiting-prompts.js';
import { listed } from '../../../fixtures/listed-prompts.js';
import { stageBench } from '../stage-bench.js';

type Incoming = TopicMessages['incoming-prompts'];

const ROUNDS = 6;
const sizes = (choice: string, sources: string) => [
  `stages.prompts={type: prompts, train: t, heldOut: h, groupsPerRound: 8, numRounds: ${ROUNDS}, runAhead: 8, choice: ${choice}, source: {from: merge, sources: ${sources}}}`,
  'stages.sampler.groupsPerBatch=2',
  'stages.trainer.updates={from: round, samplesPerUpdate: 2}',
];
const file = (weight: number, ...prompts: string[]): MergedSource => ({
  ...{ from: 'file', priority: 0, weight, waits: false, isTrain: false },
  prompts: listed(...prompts),
});

interface Options {
  readonly firstRound?: number;
  readonly held?: readonly PromptTicket[];
  readonly choice?: string;
  /** As in the config. */
  readonly sources?: string;
}

/** The stage over sources that `open` makes of the topics of the config, and a progress that is published by hand. */
function start(
  open: (inboxOf: (name: string) => PromptInbox) => readonly MergedSource[],
  { firstRound = 0, held = [], choice = 'round-robin', sources = '{a: {from: file}}' }: Options = {},
) {
  const bench = stageBench(sizes(choice, sources), firstRound);
  const { transport, config } = bench.context;
  const readBack: typeof transport.readBack = async (_, take) => {
    for (const ticket of held) (take as (ticket: PromptTicket) => void)(ticket);
  };
  const tickets = bench.read('prompts');
  const topicOf = (name: string) => `incoming-prompts-${name}` as 'incoming-prompts';
  const inboxOf = (source: string) =>
    new PromptInbox({ transport, maxWaiting: 50, topic: topicOf(source), source });
  const subscription = promptsStage(
    { ...bench.context, transport: { ...transport, readBack } },
    { from: 'merge', sources: open(inboxOf) },
    () => undefined,
  ).subscribe();
  onTestFinished(() => subscription.unsubscribe());
  return {
    ...bench,
    tickets,
    finish: (round: number) =>
      transport.publish('progress', { key: 'run', message: progressAt(config, round) }),
    write: async (source: string, ids: readonly string[]) => {
      for (const id of ids) {
        const message: Incoming = { id, prompt: `${source} ${id}` };
        await transport.publish(topicOf(source), { key: id, message });
      }
    },
    said: () => tickets.map(({ prompt, sourceId }) => sourceId ?? prompt),
  };
}

/** All prompts of a run over these files, from a round on. */
async function promptsOf(
  sources: readonly MergedSource[],
  firstRound = 0,
  held: readonly PromptTicket[] = [],
) {
  const { tickets, finish } = start(() => sources, { firstRound, held });
  for (let round = firstRound; round < ROUNDS; round++) {
    await finish(round);
    await vi.waitFor(() => expect(tickets).toHaveLength((round - firstRound + 1) * 8 - held.length));
  }
  return tickets;
}

describe('promptsStage with several sources', () => {
  it('should draw from files in passes of their own, and repeat itself from any round', async () => {
    const files = [file(1, 'a', 'b', 'c'), file(2, 'x', 'y')];
    const tickets = await promptsOf(files);
    const prompts = tickets.map(({ prompt }) => prompt);
    const [first, second] = ['abc', 'xy'].map((words) => prompts.filter((word) => words.includes(word)));
    for (const [given, pass] of [[first, 3] as const, [second, 2] as const]) {
      const passes = Math.floor((given?.length ?? 0) / pass);
      expect(passes).toBeGreaterThan(2);
      for (let index = 0; index < passes; index++)
        expect(new Set(given?.slice(index * pass, (index + 1) * pass)).size).toBe(pass);
    }
    expect(await promptsOf(files)).toEqual(tickets);
    // Killed within the third round, of which three tickets were written.
    const resumed = await promptsOf(files, 2, tickets.slice(16, 19));
    expect(resumed).toEqual(tickets.slice(19));
  });

  const TWO_TOPICS = '{users: {from: topic}, partner: {from: topic}, a: {from: file}}';
  const topic = (inbox: PromptInbox, priority = 0, waits = false): MergedSource => ({
    ...{ from: 'topic', weight: 1, priority, waits },
    inbox,
  });

  it('should take the prompts of a higher priority first, and one id of each source once', async () => {
    const { write, said, finish } = start(
      (inboxOf) => [topic(inboxOf('users'), 2), topic(inboxOf('partner'), 1), file(1, 'a')],
      { sources: TWO_TOPICS },
    );
    await vi.waitFor(() => expect(said()).toEqual(Array(8).fill('a')));
    await write('partner', ['1', '2']);
    await write('users', ['1', '3', '1']);
    await finish(1);
    await vi.waitFor(() => expect(said()).toHaveLength(16));
    expect(said().slice(8)).toEqual(['users/1', 'users/3', 'partner/1', 'partner/2', 'a', 'a', 'a', 'a']);
  });

  it('should keep the groups that prompts of each source had before a restart', async () => {
    const held = ['users/1', 'partner/7'].map((sourceId, index) => ({
      ...{ groupId: `0-${index}`, groupIndex: index, round: 0 },
      ...{ prompt: 'p', sourceId },
    }));
    const { write, said, tickets } = start(
      (inboxOf) => [topic(inboxOf('users'), 2, true), topic(inboxOf('partner'), 2, true)],
      { sources: TWO_TOPICS, held },
    );
    // What was not acknowledged comes again; the same id of the other source is another prompt.
    await write('users', ['1', '7', '8', '9', '10', '11']);
    await write('partner', ['7', '1', '2', '3', '4', '5']);
    await vi.waitFor(() => expect(tickets).toHaveLength(6));
    expect(tickets[0]?.groupIndex).toBe(2);
    expect(said()).not.toContain('users/1');
    expect(said()).not.toContain('partner/7');
    expect(said()).toContain('users/7');
  });

  it('should hold groups whose turn waits, so that timing does not decide which source they have', async () => {
    const run = async (isEarly: boolean) => {
      const { write, said, tickets } = start((inboxOf) => [topic(inboxOf('users'), 0, true), file(1, 'a')], {
        sources: '{users: {from: topic, whenEmpty: wait}, a: {from: file}}',
      });
      const ids = ['1', '2', '3', '4', '5', '6', '7', '8'];
      if (isEarly) await write('users', ids);
      else {
        await vi.waitFor(() => expect(said()).toEqual(['a']));
        for (const id of ids) await write('users', [id]);
      }
      await vi.waitFor(() => expect(tickets).toHaveLength(8));
      return said();
    };
    expect(await run(true)).toEqual(await run(false));
  });
});
