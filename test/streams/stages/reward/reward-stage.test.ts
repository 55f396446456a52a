import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ErrorCode } from '../../../../src/errors.js';
import { TributaryError } from '../../../../src/errors.js';
import type { Client } from '../../../../src/models/threads/thread.js';
import { progressAt } from '../../../../src/streams/config/resolved/progress-at.js';
import { scoringStages } from '../../../../src/streams/config/resolved/reward-parts.js';
import type { RewardThread } from '../../../../src/streams/stages/reward/client.js';
import { rewardStage } from '../../../../src/streams/stages/reward/reward-stage.js';
import type { RewardService, Scores } from '../../../../src/streams/stages/reward/reward-thread.js';
import type { StageContext } from '../../../../src/streams/stages/shared/stage-context.js';
import { stageBench } from '../stage-bench.js';

/** As many branches as the groups here have pictures. */
const TWO = 'stages.sampler.numBranches=2';
const interval = { round: 0, firstStep: 7, numSteps: 10, trainedSteps: [7, 8, 9] };
const tree = { firstStep: 7, widths: [1, 2, 2, 2] };
const pictures = (index: number) => ({
  groupId: `0-${index}`,
  groupIndex: index,
  round: 0,
  prompt: `prompt ${index}`,
  interval,
  tree,
  policyVersion: 0,
  imageShape: [3, 1, 1] as const,
  branches: [new Float32Array(3), new Float32Array(3)],
});
const verdict = (satisfied: boolean, score: number) => ({ satisfied, score });
const scores = (rewards: readonly number[]): Scores => ({
  rewards,
  verdicts: [verdict(true, 1), verdict(false, 0.25)],
  diversity: 0,
});

/** A reward model that scores by the prompt. */
function rewardOf(answer: (prompt: string) => Scores): RewardThread {
  return threadOf(async ({ prompt }) => answer(prompt));
}

const threadOf = (score: Client<RewardService>['score']): RewardThread => ({
  call: { open: async () => ({ runsOn: null, imageShape: [3, 1, 1] }), score },
  imageShape: [3, 1, 1],
  sessionThreads: 0,
});

/** The only reward stage of a config. */
function scoring(context: StageContext, thread: RewardThread) {
  const [source] = scoringStages(context.config);
  if (!source) throw new Error('no reward stage');
  return rewardStage(context, thread, source);
}

async function run(answer: (prompt: string) => Scores, count: number) {
  const bench = stageBench([TWO]);
  const rewards = bench.read('rewards');
  const letters = bench.read('dead-letters');
  const headers = bench.readHeaders('dead-letters');
  const metrics = bench.read('metrics');
  let error: unknown;
  const subscription = scoring(bench.context, rewardOf(answer)).subscribe({
    error: (fault: unknown) => {
      error = fault;
    },
  });
  for (let index = 0; index < count; index++)
    await bench.context.transport.publish('images', { key: `0-${index}`, message: pictures(index) });
  await vi.waitFor(() => expect(error !== undefined || rewards.length === count).toBe(true));
  subscription.unsubscribe();
  return { rewards, letters, headers, metrics, error };
}

function failing(code: ErrorCode): (prompt: string) => Scores {
  return (prompt) => {
    if (prompt === 'prompt 1') throw new TributaryError(code, 'reward: expected a picture, got none. Look.');
    return scores([0.5, 0.25]);
  };
}

describe('rewardStage', () => {
  it('should score groups, and tell the metrics alone what the verifier says', async () => {
    const { rewards, letters, metrics } = await run(() => scores([0.5, -0.5]), 2);
    expect(rewards).toEqual([
      { groupId: '0-0', round: 0, rewards: [0.5, -0.5] },
      { groupId: '0-1', round: 0, rewards: [0.5, -0.5] },
    ]);
    expect(letters).toEqual([]);
    expect(metrics[0]).toEqual({
      kind: 'scored',
      groupId: '0-0',
      round: 0,
      images: 2,
      verdicts: { satisfied: 1, score: 1.25 },
    });
  });

  it('should tell the reward what is said of the prompt', async () => {
    const bench = stageBench([TWO]);
    const rewards = bench.read('rewards');
    const asked: unknown[] = [];
    const service = threadOf(async ({ images: _, ...rest }) => {
      asked.push(rest);
      return scores([1, 1]);
    });
    const subscription = scoring(bench.context, service).subscribe();
    for (const message of [pictures(0), { ...pictures(1), metadata: { count: 3 } }])
      await bench.context.transport.publish('images', { key: message.groupId, message });
    await vi.waitFor(() => expect(rewards).toHaveLength(2));
    expect(asked).toEqual([{ prompt: 'prompt 0' }, { prompt: 'prompt 1', metadata: { count: 3 } }]);
    subscription.unsubscribe();
  });

  it.each([
    [
      'a service may be asked for',
      ['stages.reward={type: reward, from: http, url: http://a, concurrency: 2}'],
    ],
    ['keep a scorer of this process busy', []],
  ])('should score as many groups at once as %s', async (_, overrides) => {
    const bench = stageBench([TWO, ...overrides]);
    const rewards = bench.read('rewards');
    const waiting: ((scored: Scores) => void)[] = [];
    const service = threadOf(() => new Promise((resolve) => waiting.push(resolve)));
    const subscription = scoring(bench.context, service).subscribe();
    for (const index of [0, 1, 2])
      await bench.context.transport.publish('images', { key: `0-${index}`, message: pictures(index) });
    await vi.waitFor(() => expect(waiting).toHaveLength(2));
    waiting[1]?.(scores([1, 1]));
    await vi.waitFor(() => expect([rewards.length, waiting.length]).toEqual([1, 3]));
    expect(rewards[0]?.groupId).toBe('0-1');
    subscription.unsubscribe();
  });

  it('should let go of groups whose stage is closed, and score those of the next one', async () => {
    const bench = stageBench([
      TWO,
      'stages.prompts.groupsPerRound=2',
      'stages.prompts.runAhead=2',
      'stages.sampler.groupsPerBatch=2',
      'stages.trainer.updates={from: round, samplesPerUpdate: 2}',
      'stages.advantages.closeAfterMs=60000',
      'stages.reward={type: reward, from: http, url: http://a}',
    ]);
    const { transport, config } = bench.context;
    const rewards = bench.read('rewards');
    const asked: string[] = [];
    const signals: (AbortSignal | undefined)[] = [];
    const service = threadOf(({ prompt }, options) => {
      asked.push(prompt);
      signals.push(options?.signal);
      // Only the next stage is ever answered.
      return prompt === 'prompt 2' ? Promise.resolve(scores([1, 0])) : new Promise(() => undefined);
    });
    const subscription = scoring(bench.context, service).subscribe();
    onTestFinished(() => subscription.unsubscribe());
    for (const index of [0, 1])
      await transport.publish('images', { key: `0-${index}`, message: pictures(index) });
    const next = { ...pictures(2), groupId: '1-0', round: 1 };
    await transport.publish('images', { key: '1-0', message: next });
    await vi.waitFor(() => expect(asked).toEqual(['prompt 0']));
    const closed = progressAt(config, 0, { isNextClosed: true });
    await transport.publish('progress', { key: 'run', message: closed });
    await vi.waitFor(() => expect(rewards.map(({ groupId }) => groupId)).toEqual(['1-0']));
    expect(asked).toEqual(['prompt 0', 'prompt 2']);
    expect(signals[0]?.aborted).toBe(true);
    expect(bench.events).toEqual([]);
  });

  it('should try a fault that may pass as often as the config says', async () => {
    let attempts = 0;
    const fault = new TributaryError('TRIB_REWARD', 'reward: expected an answer, got none. Wait.', {
      retryable: true,
    });
    const { letters } = await run(() => {
      attempts += 1;
      throw fault;
    }, 1);
    expect(letters).toHaveLength(1);
    expect(attempts).toBe(stageBench([TWO]).context.config.transport.maxAttempts);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'should dead-letter a group with a reward of %d and report it lost',
    async (bad) => {
      const { rewards, letters, headers, error } = await run(
        (prompt) => scores([0.5, prompt === 'prompt 1' ? bad : 0.25]),
        3,
      );
      expect(error).toBeUndefined();
      const reason = `reward of group 0-1: expected a finite reward for branch 1, got ${bad}. Check the reward model on this prompt.`;
      expect(letters).toEqual([pictures(1)]);
      expect(headers).toEqual([{ origin: 'images', stage: 'reward', code: 'TRIB_REWARD', reason }]);
      expect(rewards).toContainEqual({
        groupId: '0-1',
        round: 0,
        reason: 'dead-letter',
        detail: reason,
      });
      expect(rewards).toHaveLength(3);
    },
  );

  it.each(['TRIB_PROMPT', 'TRIB_ENGINE'] as const)(
    'should lose only the group that fails with %s',
    async (code) => {
      const { rewards, letters, headers, error } = await run(failing(code), 3);
      expect(error).toBeUndefined();
      expect(letters).toEqual([pictures(1)]);
      expect(headers).toMatchObject([{ code }]);
      expect(rewards.map((reward) => 'reason' in reward)).toEqual(
        expect.arrayContaining([true, false, false]),
      );
    },
  );

  it.each(['TRIB_THREAD', 'TRIB_CANCELLED'] as const)('should fail the run with %s', async (code) => {
    const { letters, error } = await run(failing(code), 3);
    expect(error).toMatchObject({
      code,
      groupId: '0-1',
      stage: 'reward',
      message: 'reward, group 0-1: reward: expected a picture, got none. Look.',
    });
    expect(letters).toEqual([]);
  });
});
