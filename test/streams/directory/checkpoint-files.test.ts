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
    expect(readCheckpointFiles(checkpoint(), 'history')).toEqual({ ...POLICY, state: STATE });
  });

  it('should do without extras', () => {
    const without = checkpoint({ 'replay.safetensors': null, 'value.safetensors': null });
    expect(readCheckpointFiles(without, 'history')).toEqual({ ...POLICY, extras: {}, state: STATE });
  });

  it.each(['pytorch_lora_weights.safetensors', 'optimizer.safetensors', 'state.json'])(
    'should be named where one is not there: %s',
    async (name) => {
      expect(await faultOf(() => readCheckpointFiles(checkpoint({ [name]: null }), 'history'))).toEqual([
        'TRIB_CHECKPOINT',
        `checkpoints/3/${name}: expected a file of a checkpoint, got no such file. Remove this checkpoint; the one before it is used.`,
      ]);
    },
  );

  it.each([
    '{',
    '{}',
    '{"history":{"rounds":[[{"prompt":1}]]},"rewardQueries":0,"base":{"policyVersion":0}}',
  ])('should be refused where the state is something else: %s', async (text) => {
    expect(await faultOf(() => readCheckpointFiles(checkpoint({ 'state.json': text }), 'history'))).toEqual([
      'TRIB_CHECKPOINT',
      'checkpoints/3/state.json: expected a file of a checkpoint, got another content. Remove this checkpoint; the one before it is used.',
    ]);
  });
});

describe('the history of a checkpoint of an earlier version', () => {
  const former = (...prompts: readonly object[]) =>
    checkpoint({ 'state.json': JSON.stringify({ ...STATE, history: { prompts } }) });
  const queue = { prompt: 'a red circle', scores: [[1, 2, 3]] };
  const byRound = { prompt: 'a blue ring', scores: [[1, 2], [3]] };

  it('should be read where it holds the queues of the per-prompt rule', () => {
    expect(readCheckpointFiles(former(queue), 'per-prompt').state.history).toEqual({
      rounds: [[{ prompt: 'a red circle', rewards: [1, 2, 3] }]],
    });
  });

  it.each(['history', 'reward', 'per-prompt'] as const)(
    'should be read where it holds nothing: %s',
    (rule) => {
      expect(readCheckpointFiles(former(), rule).state.history).toEqual({ rounds: [] });
    },
  );

  it.each(['history', 'branch-centered'] as const)(
    'should be refused where the rule counts rounds, which it does not name: %s',
    async (rule) => {
      expect(await faultOf(() => readCheckpointFiles(former(queue, byRound), rule))).toEqual([
        'TRIB_CHECKPOINT',
        `checkpoints/3/state.json: expected \`history.rounds\`, past rewards by round, for rule ${rule}; got \`history.prompts\` of an earlier version, which does not say which round a reward is from. Finish the run with the version that began it, or start a new one from its policy, for an adapter with --set model.startFrom=checkpoints/3/pytorch_lora_weights.safetensors --run-dir <a new folder>.`,
      ]);
    },
  );
});
