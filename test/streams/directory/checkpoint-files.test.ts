import { describe, expect, it } from 'vitest';
import { checkpointFiles, readCheckpointFiles } from '../../../src/streams/directory/checkpoint-files.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { evaluation } from '../example-metrics.js';

const POLICY = {
  adapter: Uint8Array.of(1, 2),
  optimizer: Uint8Array.of(3),
  extras: { 'replay.safetensors': Uint8Array.of(4), 'value.safetensors': Uint8Array.of(5, 6) },
};
const STATE = {
  history: {
    rounds: [
      [{ prompt: 'a red circle', rewards: [0.1, -0.30000000000000004] }],
      [],
      [{ prompt: 'a blue ring', rewards: [1e-7] }],
    ],
  },
  rewardQueries: 36,
  base: evaluation(0),
  positions: { 'rewards/trainer': { 0: '12' } },
  computation: { threads: 2, sampler: 'cpu', trainer: 'cpu', onnxruntime: '1.27.0' },
  promptFingerprints: { train: { count: 2, sha256: 'ab' }, heldOut: { count: 1, sha256: 'cd' } },
};

function checkpoint(change: Readonly<Record<string, string | null>> = {}) {
  const files = new Map<string, Uint8Array>();
  for (const [name, content] of Object.entries({ ...checkpointFiles(POLICY, STATE), ...change })) {
    if (content === null) continue;
    files.set(name, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  }
  return { path: 'checkpoints/3', completeRounds: 3, files };
}

describe('the files of a checkpoint', () => {
  it('should come back as they were, numbers to the last bit', () => {
    expect(readCheckpointFiles(checkpoint())).toEqual({ ...POLICY, state: STATE });
  });

  it('should do without extras', () => {
    const without = checkpoint({ 'replay.safetensors': null, 'value.safetensors': null });
    expect(readCheckpointFiles(without)).toEqual({ ...POLICY, extras: {}, state: STATE });
  });

  it.each(['pytorch_lora_weights.safetensors', 'optimizer.safetensors', 'state.json'])(
    'should be named where one is not there: %s',
    async (name) => {
      expect(await faultOf(() => readCheckpointFiles(checkpoint({ [name]: null })))).toEqual([
        'TRIB_CHECKPOINT',
        `checkpoints/3/${name}: expected a file of a checkpoint, got no such file. Remove this checkpoint; the one before it is used.`,
      ]);
    },
  );

  it.each([
    '{',
    '{}',
    JSON.stringify({ ...STATE, history: { rounds: [[{ prompt: 1 }]] } }),
    JSON.stringify({ ...STATE, history: { prompts: [] } }),
    JSON.stringify({ ...STATE, computation: undefined }),
    JSON.stringify({ ...STATE, promptFingerprints: undefined }),
  ])('should be refused where the state is something else: %s', async (text) => {
    expect(await faultOf(() => readCheckpointFiles(checkpoint({ 'state.json': text })))).toEqual([
      'TRIB_CHECKPOINT',
      'checkpoints/3/state.json: expected a file of a checkpoint, got another content. Remove this checkpoint; the one before it is used.',
    ]);
  });
});
