import { filter, map, mergeMap, type Observable, of, throwError } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { loadOperator, type MessageOperator } from '../../../../src/streams/stages/operator/load-operator.js';
import { operatorStage } from '../../../../src/streams/stages/operator/operator-stage.js';
import { stageBench } from '../stage-bench.js';

const WITHOUT = `${import.meta.dirname}/../../../fixtures/operators/without.mjs`;

/** An operator stage between the prompts and the sampler, or in front of the rewards' join. */
function bench(topic: 'prompts' | 'rewards' | 'images' | 'trajectories') {
  const operator = `stages.mine={type: operator, module: ${WITHOUT}, reads: ${topic}, writes: better}`;
  const reader = {
    prompts: 'stages.sampler.reads={prompts: better}',
    rewards: 'stages.advantages.reads={rewards: better}',
    images: 'stages.reward.reads={images: better}',
    trajectories: 'stages.advantages.reads={trajectories: better}',
  };
  return stageBench([operator, reader[topic]]);
}

const ticket = (index: number) => ({
  groupId: `0-${index}`,
  groupIndex: index,
  round: 0,
  prompt: `prompt ${index}`,
});

function run(
  stage: ReturnType<typeof bench>,
  operator: (messages$: Observable<never>) => Observable<unknown>,
) {
  const { type: _, ...settings } = stage.context.config.stages.mine as Extract<
    (typeof stage.context.config.stages)[string],
    { type: 'operator' }
  >;
  const errors: unknown[] = [];
  const subscription = operatorStage(stage.context, 'mine', settings, operator as MessageOperator).subscribe({
    error: (error: unknown) => errors.push(error),
  });
  onTestFinished(() => subscription.unsubscribe());
  return errors;
}

describe('operatorStage', () => {
  it('should pass messages on, lose the group of one that is dropped, and bury one that it fails at', async () => {
    const stage = bench('prompts');
    const better = stage.read('better' as 'prompts');
    const rewards = stage.read('rewards');
    const letters = stage.read('dead-letters');
    const headers = stage.readHeaders('dead-letters');
    run(stage, (tickets$: Observable<{ groupId: string; prompt: string }>) =>
      tickets$.pipe(
        filter(({ groupId }) => groupId !== '0-1'),
        mergeMap((one) =>
          one.groupId === '0-2'
            ? throwError(() => new Error('no idea'))
            : of({ ...one, prompt: `${one.prompt}!` }),
        ),
      ),
    );
    const { transport, config } = stage.context;
    for (const index of [0, 1, 2, 3])
      await transport.publish('prompts', { key: `0-${index}`, message: ticket(index) });
    await vi.waitFor(() => expect(better).toHaveLength(2));
    expect(better.map(({ groupId, prompt }) => `${groupId} ${prompt}`)).toEqual([
      '0-0 prompt 0!',
      '0-3 prompt 3!',
    ]);
    const fault = 'operator mine: expected to answer, got the error "no idea". Correct the operator.';
    expect(rewards).toEqual([
      {
        groupId: '0-1',
        round: 0,
        reason: 'dropped',
        detail: 'the operator stage "mine" dropped it from prompts',
        operator: 'mine',
      },
      { groupId: '0-2', round: 0, reason: 'dead-letter', detail: fault, operator: 'mine' },
    ]);
    expect(letters).toEqual([ticket(2)]);
    expect(headers).toEqual([{ origin: 'prompts', stage: 'mine', code: 'TRIB_OPERATOR', reason: fault }]);
    await transport.publish('progress', { key: 'run', message: progressAt(config, 1) });
    expect(stage.events).toEqual([{ kind: 'operated', stage: 'mine', passed: 2, dropped: 1, failed: 1 }]);
  });

  it('should hand on losses as they are, and tell its own on the topic that it writes', async () => {
    const stage = bench('rewards');
    const better = stage.read('better' as 'rewards');
    run(stage, (rewards$) => rewards$.pipe(filter(() => false)));
    const lost = { groupId: '0-0', round: 0, reason: 'stale' as const, detail: 'in a test' };
    await stage.context.transport.publish('rewards', { key: '0-0', message: lost });
    await stage.context.transport.publish('rewards', {
      key: '0-1',
      message: { groupId: '0-1', round: 0, rewards: [1, 2] },
    });
    await vi.waitFor(() => expect(better).toHaveLength(2));
    expect(better).toEqual([
      lost,
      {
        groupId: '0-1',
        round: 0,
        reason: 'dropped',
        detail: 'the operator stage "mine" dropped it from rewards',
        operator: 'mine',
      },
    ]);
  });

  it('should lose trajectories under a key of its own, as rewards of the group may wait under its', async () => {
    const stage = bench('trajectories');
    const keys: string[] = [];
    const { transport } = stage.context;
    const reader = transport.subscribe({ topic: 'rewards', consumerGroup: 'trainer', maxInFlight: 9 });
    const subscription = reader.subscribe(({ key }) => keys.push(key));
    onTestFinished(() => subscription.unsubscribe());
    run(stage, (groups$) => groups$.pipe(filter(() => false)));
    const group = { groupId: '0-0', round: 0, rewards: [1, 2] };
    await transport.publish('rewards', { key: '0-0', message: group });
    await transport.publish('trajectories', { key: '0-0', message: group as never });
    await vi.waitFor(() => expect(keys).toEqual(['0-0', '0-0/mine']));
  });

  it.each<[string, (ticket: object) => unknown, string]>([
    [
      'another group',
      (one) => ({ ...one, groupId: '0-7' }),
      'expected groupId "0-0" as in its message, got "0-7"',
    ],
    ['no prompt', (one) => ({ ...one, prompt: ' ' }), 'expected a prompt, got " "'],
    ['a list', () => [], 'expected a message of the topic, got a list'],
    [
      'bad metadata',
      (one) => ({ ...one, metadata: 'red' }),
      'expected metadata to be a JSON object, got string',
    ],
  ])('should bury the message for which an operator emits %s', async (_, change, fault) => {
    const stage = bench('prompts');
    const rewards = stage.read('rewards');
    run(stage, (tickets$) => tickets$.pipe(map(change)));
    await stage.context.transport.publish('prompts', { key: '0-0', message: ticket(0) });
    await vi.waitFor(() => expect(rewards).toHaveLength(1));
    expect(rewards[0]).toMatchObject({
      reason: 'dead-letter',
      detail: `operator mine: ${fault}. Emit what the topic carries.`,
    });
  });

  it('should err with an operator that completes before the run', async () => {
    const stage = bench('prompts');
    const errors = run(stage, () => of());
    await stage.context.transport.publish('prompts', { key: '0-0', message: ticket(0) });
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    expect(errors[0]).toMatchObject({ code: 'TRIB_OPERATOR', stage: 'mine' });
  });
});

describe('operatorStage, of incoming prompts', () => {
  it('should say that none passes, of which no group tells', async () => {
    const stage = stageBench([
      `stages.mine={type: operator, module: ${WITHOUT}, reads: incoming-prompts, writes: better}`,
      'stages.prompts.reads={incoming-prompts: better}',
      'stages.prompts.source={from: topic}',
    ]);
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const errors = run(stage, (prompts$) => prompts$.pipe(filter(() => false)));
    const letters = stage.read('rewards');
    for (const id of ['a', 'b', 'c'])
      await stage.context.transport.publish('incoming-prompts', { key: id, message: { id, prompt: 'a' } });
    await new Promise((done) => setImmediate(done));
    vi.advanceTimersByTime(10_000);
    expect(stage.events).toEqual([
      {
        kind: 'warning',
        message:
          'operator mine: none of the last 3 incoming prompts passed. A run that has no others waits: send prompts that pass, or change the operator.',
      },
    ]);
    expect([errors, letters]).toEqual([[], []]);
  });
});

describe('loadOperator', () => {
  it.each([
    ['is not there', 'absent.mjs', 'expected a module that loads, got no file there.'],
    [
      'exports no function',
      'nothing.mjs',
      'expected a default export that is a function from options to an RxJS operator, got no default export',
    ],
    ['exports a number', 'number.mjs', 'from options to an RxJS operator, got number'],
    ['returns a stream', 'stream.mjs', 'expected its function to return an RxJS operator, got a stream'],
    ['throws', 'throwing.mjs', 'expected its function to return an RxJS operator, got "Error: no words"'],
  ])('should say so of a module that %s', async (_, file, words) => {
    const module = `${import.meta.dirname}/../../../fixtures/operators/${file}`;
    await expect(loadOperator('mine', { module, options: {} })).rejects.toMatchObject({
      code: 'TRIB_FILE',
      message: expect.stringContaining(words),
    });
  });
});
