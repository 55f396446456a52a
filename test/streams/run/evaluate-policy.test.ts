import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../../src/errors.js';
import type { PicturesOfPrompt } from '../../../src/models/rewards/contract/reward-scorer.js';
import { evaluatePolicy } from '../../../src/streams/run/evaluate-policy.js';
import type { GoldReward } from '../../../src/streams/run/gold-rewards.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { listed } from '../../fixtures/listed-prompts.js';
import { stageBench } from '../stages/stage-bench.js';

const VERIFIER = ['evaluation.verifier=shapes', 'evaluation.imagesPerPrompt=2'];

/** An evaluation of two training prompts and a held-out one, two pictures each, with these rewards or faults. */
async function evaluated(
  rewards: readonly (readonly number[] | Error)[],
  overrides: readonly string[] = [],
  {
    first = 'a red circle and a blue square',
    unread = [] as readonly string[],
    gold = [] as readonly GoldReward[],
  } = {},
) {
  const warnings: string[] = [];
  const said: unknown[] = [];
  /** Pictures that were drawn at a time. */
  const portions: number[] = [];
  const scores = rewards.values();
  const evaluation = await evaluatePolicy({
    config: stageBench([...VERIFIER, ...overrides]).context.config,
    sampler: {
      withPolicy: (_: unknown, work: (call: unknown) => unknown) =>
        work({
          samplePictures: async ({ requests }: { requests: unknown[] }) => {
            portions.push(requests.length);
            return requests.map(() => null);
          },
        }),
      evaluationBatch: 1,
    } as never,
    gold,
    score: async ({ prompt, metadata }: PicturesOfPrompt) => {
      said.push(metadata);
      const { value } = scores.next();
      if (value instanceof Error) throw value;
      return {
        rewards: value ?? [],
        verdicts: unread.includes(prompt)
          ? null
          : [
              { satisfied: true, score: 1 },
              { satisfied: false, score: 0 },
            ],
        diversity: 0,
      };
    },
    policy: { version: 0, parameters: {} },
    prompts: {
      train: {
        prompts: [...listed(first), { prompt: 'one red circle', weight: 3, metadata: { row: 2 } }],
      },
      heldOut: { prompts: [{ prompt: 'one blue square', weight: 1, metadata: { row: 1 } }] },
    },
    warn: (message) => warnings.push(message),
    now: () => 0,
  });
  return { evaluation, warnings, said, portions };
}

describe('evaluatePolicy', () => {
  it('should draw a list at once, and with a gateway a few pictures at a time', async () => {
    const many = ['evaluation.imagesPerPrompt=3'];
    const rewards = [1, 2, 3].map(() => [0.5, 0.5, 0.5]);
    expect((await evaluated(rewards, many)).portions).toEqual([6, 3]);
    const gateway = ['stages.gateway.type=gateway', 'stages.prompts.source.from=topic', ...many];
    const { portions, evaluation } = await evaluated(rewards, gateway);
    expect([...portions].sort()).toEqual([2, 3, 4]);
    expect(evaluation.train.images).toBe(6);
  });

  it('should tell the reward what is said of each prompt, held-out ones too', async () => {
    const { said } = await evaluated([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(said).toEqual([undefined, { row: 2 }, { row: 1 }]);
  });

  it('should leave out of the verified figures, and count, a prompt that the verifier cannot read', async () => {
    const rewards = [
      [1, 1],
      [3, 3],
      [1, 1],
    ];
    const first = 'red circle, oil on canvas';
    const { evaluation } = await evaluated(rewards, [], { first, unread: [first] });
    expect(evaluation.train).toMatchObject({
      prompts: 2,
      images: 4,
      rewardMean: 2,
      unverifiedPrompts: 1,
      verifiedAlignment: 0.5,
      verifierScore: 0.5,
    });
    expect(evaluation.heldOut).not.toHaveProperty('unverifiedPrompts');
    expect(evaluation.byTemplate).toEqual({ counting: { train: 0.5, heldOut: 0.5 } });
    const none = await evaluated(rewards, [], {
      first,
      unread: [first, 'one red circle', 'one blue square'],
    });
    expect(none.evaluation.train).toMatchObject({ unverifiedPrompts: 2, verifiedAlignment: null });
  });

  it('should leave out a reward that is vast or not finite, and say so', async () => {
    const { evaluation, warnings } = await evaluated([
      [1e200, 1],
      [3, Number.NaN],
      [5, 7],
    ]);
    expect([evaluation.train.rewardMean, evaluation.heldOut.rewardMean]).toEqual([2, 6]);
    expect(evaluation.train.images).toBe(4);
    expect(warnings).toEqual([
      'evaluation of training prompts: expected rewards from -1e+15 to 1e+15, got 1e+200 among 4; the mean leaves out 2',
    ]);
  });

  it('should err with the fault of a service that cannot be asked, for one prompt as for all', async () => {
    const text =
      'reward service http://a: expected an answer, got ECONNREFUSED in 5 attempts. Start the service.';
    const away = new TributaryError('TRIB_REWARD', text, { retryable: true });
    for (const rewards of [
      [away, away, away],
      [[1, 1], [1, 1], away],
    ])
      expect(await faultOf(() => evaluated(rewards))).toEqual(['TRIB_REWARD', text]);
  });

  it('should measure the alignment of a template of which no reward is right', async () => {
    const { evaluation } = await evaluated([
      [1e200, 1e200],
      [3, 1],
      [5, 7],
    ]);
    expect(Object.values(evaluation.byTemplate ?? {}).map(({ train }) => train)).toEqual([0.5, 0.5]);
  });

  it('should take the bound from the config, and err where no reward is within it or finite', async () => {
    const bounded = ['stages.reward.maxMagnitude=4'];
    const { evaluation } = await evaluated(
      [
        [4, 5],
        [-4, 1],
        [0, 0],
      ],
      bounded,
    );
    expect(evaluation.train.rewardMean).toBeCloseTo(1 / 3);
    const none = [
      [5, 5],
      [6, Number.NaN],
      [0, 0],
    ];
    const notFinite = [
      [Number.NaN, Number.NaN],
      [Number.NaN, Number.NaN],
      [0, 0],
    ];
    for (const rewards of [none, notFinite])
      expect(await faultOf(() => evaluated(rewards, bounded))).toEqual([
        'TRIB_REWARD',
        'evaluation of training prompts: expected rewards from -4e+0 to 4e+0, got none of 4. Check the reward model and maxMagnitude of the reward stage, or resume from the last checkpoint with a smaller learningRate.',
      ]);
  });

  it('should blame the weights where the rewards are combined', async () => {
    const vast = [1e20, 1e20];
    const combined = 'stages.combine={type: combine, parts: { reward: { weight: 1e9 } }}';
    const [, message] = (await faultOf(() => evaluated([vast, vast, vast], [combined]))) ?? [];
    expect(message).toContain(
      'got none of 4. Check the weights of stages.combine and its rewards, or resume',
    );
  });

  describe('with gold rewards', () => {
    const gold = (name: string, ...rewards: (readonly number[] | Error)[]): GoldReward => {
      const scores = rewards.values();
      const { gold: settings } = stageBench([`evaluation.gold={ ${name}: { from: module, path: g.mjs } }`])
        .context.config.evaluation;
      return {
        name,
        source: settings[name] as GoldReward['source'],
        score: async () => {
          const { value } = scores.next();
          if (value instanceof Error) throw value;
          return { rewards: value ?? [], verdicts: null, diversity: null };
        },
      };
    };
    const trained = [
      [1, 1],
      [1, 1],
      [1, 1],
    ];

    it('should measure each on both lists, beside the reward that is trained on', async () => {
      const { evaluation, warnings } = await evaluated(trained, [], {
        gold: [gold('taste', [1, 3], [5, 7], [2, 2]), gold('other', [0, 0], [0, 0], [-1, 1])],
      });
      const { train, heldOut } = evaluation;
      expect([train.rewardMean, heldOut.rewardMean, warnings]).toEqual([1, 1, []]);
      expect(train.gold).toEqual({ taste: { mean: 4, std: Math.sqrt(5) }, other: { mean: 0, std: 0 } });
      expect(heldOut.gold).toEqual({ taste: { mean: 2, std: 0 }, other: { mean: 0, std: 1 } });
    });

    it('should leave out what is not finite, and a reward of which nothing is left, with a warning', async () => {
      const { evaluation, warnings } = await evaluated(trained, [], {
        gold: [gold('taste', [1, Number.NaN], [3, 2e15], [Number.NaN, Number.NaN])],
      });
      expect(evaluation.train.gold).toEqual({ taste: { mean: 2, std: 1 } });
      expect(evaluation.heldOut.gold).toEqual({});
      expect(warnings).toEqual([
        'evaluation of training prompts, gold reward "taste": expected rewards from -1e+15 to 1e+15, got NaN among 4; the mean leaves out 2',
        'evaluation of held-out prompts, gold reward "taste": expected rewards from -1e+15 to 1e+15, got NaN among 2; the mean leaves out 2',
      ]);
    });

    it('should name the reward that fails', async () => {
      const down = new TributaryError('TRIB_REWARD', 'reward service http://x: expected an answer');
      expect(await faultOf(() => evaluated(trained, [], { gold: [gold('taste', down)] }))).toEqual([
        'TRIB_REWARD',
        'gold reward "taste": reward service http://x: expected an answer',
      ]);
    });
  });
});
