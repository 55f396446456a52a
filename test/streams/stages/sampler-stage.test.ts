import { describe, expect, it, vi } from 'vitest';
import { TributaryError } from '../../../src/errors.js';
import type { Client } from '../../../src/models/engines/thread.js';
import type { SamplerClient } from '../../../src/streams/stages/run-threads.js';
import { samplerStage } from '../../../src/streams/stages/sampler-stage.js';
import type { SamplerService } from '../../../src/streams/threads/sampler-thread.js';
import { stageBench } from './stage-bench.js';

const interval = { trainingStage: 0, firstStep: 7, numSteps: 10, trainedSteps: [7, 8, 9] };
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
  trainingStage: 0,
  prompt,
});

/** Rolls out batches of two by a sampler that cannot read `?`. */
async function run(prompts: readonly string[], rollout?: SamplerService['rollout']) {
  const bench = stageBench(['stages.sampler.groupsPerBatch=2', 'stages.sampler.lingerMs=0']);
  const { transport } = bench.context;
  const batches: string[][] = [];
  const rollOut: SamplerService['rollout'] = async ({ requests }) => {
    batches.push(requests.map(({ prompt }) => prompt));
    return requests.map(() => group);
  };
  const sampler: SamplerClient = {
    imageShape: [3, 1, 1],
    baseParameters: {},
    checkPrompts: async (checked) => checked.map((prompt) => (prompt === '?' ? UNKNOWN : null)),
    withPolicy: (_, work) => work({ rollout: rollout ?? rollOut } as unknown as Client<SamplerService>),
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
  await transport.publish('schedule', { key: 'run', message: interval });
  await transport.publish('policy', { key: 'run', message: { version: 0, parameters: {} } });
  for (const [index, prompt] of prompts.entries())
    await transport.publish('prompts', { key: `0-${index}`, message: ticket(index, prompt) });
  await vi.waitFor(() =>
    expect(error !== undefined || images.length + letters.length === prompts.length).toBe(true),
  );
  subscription.unsubscribe();
  return { images, rewards, letters, headers, batches, events: bench.events, error };
}

describe('samplerStage', () => {
  it('should lose the group of a prompt that cannot be read, and roll out the rest of its batch', async () => {
    const { images, rewards, letters, headers, batches, events, error } = await run(['a', '?', 'b', 'c']);
    expect(error).toBeUndefined();
    expect(batches).toEqual([['a'], ['b', 'c']]);
    expect(images.map(({ groupId }) => groupId)).toEqual(['0-0', '0-2', '0-3']);
    expect(letters).toEqual([ticket(1, '?')]);
    expect(headers).toEqual([
      { origin: 'prompts', stage: 'branchRollouts', code: 'TRIB_PROMPT', reason: UNKNOWN },
    ]);
    expect(rewards).toEqual([{ groupId: '0-1', trainingStage: 0, reason: 'dead-letter', detail: UNKNOWN }]);
    expect(events.filter(({ kind }) => kind === 'progress')).toHaveLength(4);
  });

  it('should ask for no rollout where no prompt of a batch can be read', async () => {
    const { batches, rewards, error } = await run(['?', '?']);
    expect(error).toBeUndefined();
    expect(batches).toEqual([]);
    expect(rewards.map(({ groupId }) => groupId)).toEqual(['0-0', '0-1']);
  });

  it('should fail with any other fault of the sampler', async () => {
    const { letters, error } = await run(['a', 'b'], async () => {
      throw new TributaryError('TRIB_ENGINE', 'graph: expected a result, got none. Look.');
    });
    expect(error).toMatchObject({ code: 'TRIB_ENGINE', stage: 'branchRollouts' });
    expect(letters).toEqual([]);
  });
});
