import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { TributaryError } from '../../../../src/errors.js';
import type { Client } from '../../../../src/models/threads/thread.js';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { stageOf } from '../../../../src/streams/config/resolved/stage-of.js';
import type { SamplerClient } from '../../../../src/streams/stages/sampler/client.js';
import { samplerStage } from '../../../../src/streams/stages/sampler/sampler-stage.js';
import type { SamplerService } from '../../../../src/streams/stages/sampler/sampler-thread.js';
import { stageBench } from '../stage-bench.js';

const interval = { round: 0, firstStep: 7, numSteps: 10, trainedSteps: [7, 8, 9] };
const group = {
  tree: { firstStep: 7, widths: [1, 1, 1, 1] },
  branches: [
    {
      image: new Float32Array(3),
      trajectory: { firstStep: 7, latents: new Float32Array(4), logProbs: new Float32Array(3) },
    },
  ],
};
const UNKNOWN = 'prompt "?": expected a word, got "?". Write a word.';
const ticket = (index: number, prompt: string) => ({
  groupId: `0-${index}`,
  groupIndex: index,
  round: 0,
  prompt,
});

/** Samples batches of two by a sampler that cannot read `?`. */
async function start(rollout?: SamplerService['rollout'], overrides: readonly string[] = []) {
  const bench = stageBench(['stages.sampler.groupsPerBatch=2', 'stages.sampler.lingerMs=0', ...overrides]);
  const { transport } = bench.context;
  const batches: string[][] = [];
  const rollOut: SamplerService['rollout'] = async ({ requests }) => {
    batches.push(requests.map(({ prompt }) => prompt));
    return requests.map(() => group);
  };
  const sampler: SamplerClient = {
    imageShape: [3, 1, 1],
    evaluationShape: [3, 1, 1],
    evaluationBatch: 1,
    baseParameters: {},
    fileParameters: null,
    readPolicy: async () => ({}),
    checkPrompts: async (checked) => checked.map(({ prompt }) => (prompt === '?' ? UNKNOWN : null)),
    withPolicy: (_, work) => work({ rollout: rollout ?? rollOut } as unknown as Client<SamplerService>),
    paintTrees: () => Promise.reject(new Error('nothing is drawn here')),
    close: async () => undefined,
  };
  const images = bench.read('images');
  const rewards = bench.read('rewards');
  const letters = bench.read('dead-letters');
  const headers = bench.readHeaders('dead-letters');
  let error: unknown;
  const subscription = samplerStage(bench.context, sampler).subscribe({
    error: (fault: unknown) => {
      error = fault;
    },
  });
  onTestFinished(() => subscription.unsubscribe());
  await transport.publish('schedule', { key: 'run', message: interval });
  await transport.publish('policy', { key: 'run', message: { version: 0, parameters: {} } });
  return { ...bench, images, rewards, letters, headers, batches, error: () => error };
}

async function run(prompts: readonly string[], rollout?: SamplerService['rollout']) {
  const { context, images, letters, error, ...rest } = await start(rollout);
  for (const [index, prompt] of prompts.entries())
    await context.transport.publish('prompts', { key: `0-${index}`, message: ticket(index, prompt) });
  await vi.waitFor(() =>
    expect(error() !== undefined || images.length + letters.length === prompts.length).toBe(true),
  );
  return { ...rest, images, letters, error: error() };
}

describe('samplerStage', () => {
  it('should lose the group of a prompt that cannot be read, and roll out the rest of its batch', async () => {
    const { images, rewards, letters, headers, batches, events, error } = await run(['a', '?', 'b', 'c']);
    expect(error).toBeUndefined();
    expect(batches).toEqual([['a'], ['b', 'c']]);
    expect(images.map(({ groupId }) => groupId)).toEqual(['0-0', '0-2', '0-3']);
    expect(letters).toEqual([ticket(1, '?')]);
    expect(headers).toEqual([{ origin: 'prompts', stage: 'sampler', code: 'TRIB_PROMPT', reason: UNKNOWN }]);
    expect(rewards).toEqual([{ groupId: '0-1', round: 0, reason: 'dead-letter', detail: UNKNOWN }]);
    expect(events.filter(({ kind }) => kind === 'progress')).toHaveLength(4);
  });

  it('should give every group its size, and refuse one that the config does not list', async () => {
    const requested: (readonly [number, object | undefined])[] = [];
    const { context, images, letters } = await start(
      async ({ requests }) => {
        for (const { groupIndex, size } of requests) requested.push([groupIndex, size]);
        return requests.map(() => group);
      },
      [
        'stages.sampler.buckets=[{width: 16, height: 24}, {width: 8, height: 8, weight: 0}]',
        'evaluation.verifier=none',
      ],
    );
    const metadatas = [{}, { width: 8, height: 8 }, { width: 8, height: 9 }, { width: '16', height: '24' }];
    for (const [index, metadata] of metadatas.entries())
      await context.transport.publish('prompts', {
        key: `0-${index}`,
        message: { ...ticket(index, 'a'), metadata },
      });
    await vi.waitFor(() => expect(images.length + letters.length).toBe(4));
    expect(letters).toEqual([{ ...ticket(2, 'a'), metadata: metadatas[2] }]);
    const [large, small] = [
      { width: 16, height: 24 },
      { width: 8, height: 8 },
    ];
    expect(requested).toEqual([
      [0, large],
      [1, small],
      [3, large],
    ]);
    expect(images.map(({ imageShape }) => imageShape)).toEqual([
      [3, 24, 16],
      [3, 8, 8],
      [3, 24, 16],
    ]);
  });

  it('should ask for no rollout where no prompt of a batch can be read', async () => {
    const { batches, rewards, error } = await run(['?', '?']);
    expect(error).toBeUndefined();
    expect(batches).toEqual([]);
    expect(rewards.map(({ groupId }) => groupId)).toEqual(['0-0', '0-1']);
  });

  it('should drop what waits when its stage is closed, and go on with the next one', async () => {
    const rolledOut: string[][] = [];
    const finish: (() => void)[] = [];
    const { context, images } = await start(
      ({ requests }) =>
        new Promise((resolve) => {
          rolledOut.push(requests.map(({ prompt }) => prompt));
          finish.push(() => resolve(requests.map(() => group)));
        }),
      ['stages.advantages.closeAfterMs=60000', 'stages.trainer.maxStaleness=1'],
    );
    const { transport, config } = context;
    const { groupsPerRound } = stageOf(config, 'prompts');
    for (const [index, prompt] of ['a', 'b', 'c', 'd'].entries())
      await transport.publish('prompts', { key: `0-${index}`, message: ticket(index, prompt) });
    for (const [index, prompt] of ['e', 'f'].entries()) {
      const place = { groupId: `1-${index}`, groupIndex: groupsPerRound + index, round: 1 };
      await transport.publish('prompts', { key: place.groupId, message: { ...place, prompt } });
    }
    await vi.waitFor(() => expect(rolledOut).toEqual([['a', 'b']]));
    const closed = progressAt(config, 0, { isNextClosed: true });
    await transport.publish('progress', { key: 'run', message: closed });
    finish[0]?.();
    await vi.waitFor(() => expect(rolledOut.slice(1)).toEqual([['e', 'f']]));
    expect(images.map(({ groupId }) => groupId)).toEqual(['0-0', '0-1']);
  });

  it('should fail with any other fault of the sampler', async () => {
    const { letters, error } = await run(['a', 'b'], async () => {
      throw new TributaryError('TRIB_ENGINE', 'graph: expected a result, got none. Look.');
    });
    expect(error).toMatchObject({ code: 'TRIB_ENGINE', stage: 'sampler' });
    expect(letters).toEqual([]);
  });
});
