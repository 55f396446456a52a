import { describe, expect, it, vi } from 'vitest';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { promptsStage } from '../../../../src/streams/stages/prompts/prompts-stage.js';
import { listed } from '../../../fixtures/listed-prompts.js';
import { stageBench } from '../stage-bench.js';

const PROMPTS = ['a', 'b', 'c'];
const SIZES = [
  'stages.prompts={type: prompts, train: t, heldOut: h, groupsPerRound: 4, numRounds: 3, runAhead: 4}',
  'stages.sampler.groupsPerBatch=2',
  'stages.trainer.updates={from: round, samplesPerUpdate: 4}',
];

/** The stage, and a progress that is published by hand. */
function start(overrides: readonly string[] = [], firstRound = 0) {
  const bench = stageBench([...SIZES, ...overrides], firstRound);
  const tickets = bench.read('prompts');
  const begun: number[] = [];
  let completed = false;
  promptsStage(bench.context, { from: 'file', prompts: listed(...PROMPTS) }, (round) =>
    begun.push(round),
  ).subscribe({
    complete: () => {
      completed = true;
    },
  });
  const finish = (finishedGroups: number) =>
    bench.context.transport.publish('progress', {
      key: 'run',
      message: progressAt(bench.context.config, finishedGroups / 4),
    });
  return { ...bench, tickets, begun, finish, isComplete: () => completed };
}

describe('promptsStage', () => {
  it('should issue a stage when the one before it is finished, and complete after the last', async () => {
    const { tickets, begun, finish, isComplete } = start();
    for (const [stage, count] of [4, 8, 12].entries()) {
      await finish(stage * 4);
      await vi.waitFor(() => expect(tickets).toHaveLength(count));
      expect(begun.slice(0, stage + 1)).toEqual([0, 1, 2].slice(0, stage + 1));
    }
    await finish(12);
    await vi.waitFor(() => expect(isComplete()).toBe(true));
    expect(tickets.map(({ groupId, groupIndex, round }) => [groupId, groupIndex, round])).toEqual(
      Array.from({ length: 12 }, (_, index) => {
        const stage = Math.floor(index / 4);
        return [`${stage}-${index % 4}`, index, stage];
      }),
    );
  });

  it('should give each ticket the metadata of its prompt', async () => {
    const bench = stageBench([...SIZES, 'stages.prompts.choice=round-robin']);
    const tickets = bench.read('prompts');
    const prompts = [
      { prompt: 'a', weight: 1, metadata: { n: 1 } },
      { prompt: 'b', weight: 1 },
    ];
    const subscription = promptsStage(bench.context, { from: 'file', prompts }, () => {}).subscribe();
    await vi.waitFor(() => expect(tickets).toHaveLength(4));
    expect(new Set(tickets.map(({ prompt }) => prompt)).size).toBe(2);
    for (const ticket of tickets) expect('metadata' in ticket).toBe(ticket.prompt === 'a');
    expect(tickets.find(({ prompt }) => prompt === 'a')?.metadata).toEqual({ n: 1 });
    subscription.unsubscribe();
  });

  it('should give every prompt once a round where it goes round-robin', async () => {
    const { tickets, finish } = start([
      'stages.prompts.choice=round-robin',
      'stages.prompts.groupsPerRound=6',
      'stages.prompts.runAhead=6',
    ]);
    await finish(0);
    await vi.waitFor(() => expect(tickets).toHaveLength(6));
    const drawn = tickets.map(({ prompt }) => prompt);
    expect(drawn.slice(0, 3).toSorted()).toEqual(PROMPTS);
    expect(drawn.slice(3).toSorted()).toEqual(PROMPTS);
  });

  it('should draw the same prompts after a resume as without it', async () => {
    const whole = start();
    await whole.finish(0);
    await vi.waitFor(() => expect(whole.tickets).toHaveLength(4));
    await whole.finish(4);
    await vi.waitFor(() => expect(whole.tickets).toHaveLength(8));
    const resumed = start([], 1);
    await resumed.finish(4);
    await vi.waitFor(() => expect(resumed.tickets).toHaveLength(4));
    expect(resumed.begun[0]).toBe(1);
    expect(resumed.tickets).toEqual(whole.tickets.slice(4));
  });

  it('should issue the stage that was begun and no further one when the run is stopping', async () => {
    const { tickets, begun, finish, stop, isComplete } = start();
    await finish(0);
    await vi.waitFor(() => expect(tickets).toHaveLength(4));
    stop.abort();
    await finish(4);
    await vi.waitFor(() => expect(isComplete()).toBe(true));
    expect(tickets.length % 4).toBe(0);
    expect(begun).toHaveLength(tickets.length / 4);
  });
});
