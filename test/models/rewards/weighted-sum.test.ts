import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../../src/errors.js';
import type { RewardScorer, ScoredPictures } from '../../../src/models/rewards/contract/reward-scorer.js';
import { openReward } from '../../../src/models/rewards/index.js';
import { createWeightedSum, type SummedPart } from '../../../src/models/rewards/weighted-sum.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../fixtures/reward-context.js';
import { startRewardServer } from '../../fixtures/reward-server.js';

const pictures = { prompt: 'a', images: [new Float32Array(24).fill(1), new Float32Array(24).fill(-1)] };
const plain = { weight: 1, mean: 0, std: 1 };
const BOUND = 1e15;

const scorerOf = (score: RewardScorer['score'], runsOn: RewardScorer['runsOn'] = null): RewardScorer => ({
  runsOn,
  score,
  close: async () => {},
});
const part = (name: string, scored: Partial<ScoredPictures>, own: Partial<SummedPart> = {}): SummedPart => ({
  ...plain,
  name,
  scorer: scorerOf(async () => ({ rewards: [0, 0], features: null, ...scored })),
  ...own,
});

describe('sum', () => {
  it('should add what each part has left after its normalization', async () => {
    const sum = createWeightedSum(
      [
        part('one', { rewards: [5, 1] }, { weight: 0.5, mean: 3, std: 2 }),
        part('two', { rewards: [10, 20] }, { weight: -1, mean: 10, std: 5 }),
      ],
      BOUND,
    );
    expect((await sum.score(pictures, unaborted())).rewards).toEqual([0.5, -2.5]);
  });

  it('should have the features of the first part that has some, and its provider', async () => {
    const features = [Float32Array.of(1), Float32Array.of(-1)];
    const runsOn = (fallbacks: string[]) => ({
      provider: 'cpu' as const,
      fallbacks,
      sessionThreads: fallbacks.length,
    });
    const sum = createWeightedSum(
      [
        part('none', {}),
        part(
          'some',
          { features },
          { scorer: scorerOf(async () => ({ rewards: [1, 1], features }), runsOn(['a'])) },
        ),
        part(
          'more',
          {},
          { scorer: scorerOf(async () => ({ rewards: [1, 1], features: [] }), runsOn(['a', 'b'])) },
        ),
      ],
      BOUND,
    );
    expect(sum.runsOn).toEqual(runsOn(['a', 'b']));
    expect((await sum.score(pictures, unaborted())).features).toBe(features);
  });

  it('should let a reward that is not finite through, so that its group is lost', async () => {
    const sum = createWeightedSum([part('one', { rewards: [1, Number.NaN] }), part('two', {})], BOUND);
    expect((await sum.score(pictures, unaborted())).rewards).toEqual([1, Number.NaN]);
  });

  it.each([
    ['would cancel another', { rewards: [1e200, 1] }, { rewards: [-1e200, 2] }, [1e200, 3]],
    ['leaves nothing of another but rounding', { rewards: [5, 1] }, { rewards: [-2e15, 2] }, [-2e15, 3]],
  ])('should let a vast term through that %s, so that its group is lost', async (_, one, two, expected) => {
    const sum = createWeightedSum([part('one', one), part('two', two)], BOUND);
    expect((await sum.score(pictures, unaborted())).rewards).toEqual(expected);
  });

  it('should take vast rewards that a part brings to a size', async () => {
    const sum = createWeightedSum([part('count', { rewards: [3e20, -1e20] }, { std: 1e20 })], BOUND);
    expect((await sum.score(pictures, unaborted())).rewards).toEqual([3, -1]);
  });

  it('should name the part that fails, say whether it may pass, and stop the others', async () => {
    let stopped = false;
    const waits = scorerOf(
      (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            stopped = true;
            reject(new TributaryError('TRIB_CANCELLED', 'late: stopped.'));
          }),
        ),
    );
    const fails = scorerOf(async () => {
      throw new TributaryError('TRIB_REWARD', 'service: away.', { retryable: true });
    });
    const sum = createWeightedSum(
      [
        { ...plain, name: 'slow', scorer: waits },
        { ...plain, name: 'judge', scorer: fails },
      ],
      BOUND,
    );
    const error = await sum.score(pictures, unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: true,
      message: 'reward part "judge": service: away.',
    });
    expect(stopped).toBe(true);
  });

  it('should name the part that gives another number of rewards', async () => {
    const sum = createWeightedSum([part('half', { rewards: [1] })], BOUND);
    expect(await faultOf(() => sum.score(pictures, unaborted()))).toEqual([
      'TRIB_REWARD',
      'reward part "half": expected 2 rewards, one per picture, got 1. Check that part on this prompt.',
    ]);
  });

  it('should open its parts from their settings', async () => {
    const { url } = await startRewardServer();
    const parts = {
      bright: {
        from: 'http' as const,
        form: 'tributary' as const,
        url,
        timeoutMs: 10_000,
        batchSize: 4,
        weight: 3,
        mean: 0.5,
        std: 0.5,
      },
      small: { from: 'jpeg-compressibility' as const, quality: 95, ...plain },
    };
    const context = rewardContext({ imageShape: [3, 2, 4] });
    const alone = await openReward({ from: 'jpeg-compressibility', quality: 95 }, context);
    const [white = 0, black = 0] = (await alone.score(pictures, unaborted())).rewards;
    const sum = await openReward({ from: 'sum', parts }, context);
    expect((await sum.score(pictures, unaborted())).rewards).toEqual([3 + white, -3 + black]);
    await sum.close();
  });

  it('should name the part that cannot be opened', async () => {
    const parts = {
      ours: { from: 'module' as const, path: 'nowhere.mjs', options: {}, timeoutMs: 1, ...plain },
    };
    const [code, message] = await faultOf(() => openReward({ from: 'sum', parts }, rewardContext()));
    expect(code).toBe('TRIB_FILE');
    expect(message).toContain('reward part "ours": reward module nowhere.mjs: expected a module that loads');
  });
});
