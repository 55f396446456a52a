import { describe, expect, it } from 'vitest';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { openPromotionGate } from '../../../src/streams/promotion/promotion-gate.js';
import type { ProbeRequest } from '../../../src/streams/stages/sampler/sampler-thread.js';
import { listed } from '../../fixtures/listed-prompts.js';

const BASE: NamedArrays = { 'lora.A': Float32Array.of(1, 2), 'lora.B': Float32Array.of(0, 0) };
const SETTINGS = { prompts: 2, maxLogProbDifference: 0.01, maxRewardFall: 1 };

interface Policy {
  readonly parameters: NamedArrays;
  /** Value of every pixel of both pictures. */
  readonly pixel: number;
  readonly rewards: readonly [number, number];
  readonly logRatios?: readonly number[] | null;
}

const policy = (pixel: number, rewards: [number, number], further: Partial<Policy> = {}): Policy => ({
  parameters: { ...BASE, 'lora.B': Float32Array.of(pixel, pixel) },
  pixel,
  rewards,
  logRatios: [1e-5, -1e-5],
  ...further,
});
/** Rewards 0 and 2: their standard deviation is 1. */
const PRETRAINED = policy(0, [0, 2], { parameters: BASE });

/** A gate whose trainer holds what `train` was given last; the probe of a policy is what the policy says. */
async function start({ bestReward, base = PRETRAINED }: { bestReward?: number; base?: Policy } = {}) {
  let promoted = base;
  let trained = base;
  const probes: string[] = [];
  const probed = (parameters: NamedArrays) => (parameters === BASE ? base : trained);
  const gate = await openPromotionGate({
    settings: SETTINGS,
    prompts: listed('a', 'b'),
    maxMagnitude: 1e15,
    signal: new AbortController().signal,
    bestReward,
    sampler: {
      imageShape: [1, 1, 2],
      evaluationShape: [1, 1, 2],
      evaluationBatch: 1,
      baseParameters: BASE,
      fileParameters: null,
      readPolicy: async () => BASE,
      checkPrompts: async () => [],
      paintTrees: () => Promise.reject(new Error('nothing is drawn here')),
      close: async () => undefined,
      withPolicy: ({ version, parameters }, work) =>
        work({
          probe: async ({ trainedSteps, isReference }: ProbeRequest) => {
            probes.push(`${version}: ${trainedSteps}${isReference ? ', reference' : ''}`);
            const { pixel } = probed(parameters);
            const image = new Float32Array(2).fill(pixel);
            const trajectory = { firstStep: 0, latents: new Float32Array(2), logProbs: new Float32Array(1) };
            const groups = ['a', 'b'].map(() => ({ tree: {}, branches: [{ image, trajectory }] }));
            return { groups, outputChange: Math.abs(pixel - base.pixel) };
          },
        } as never),
    },
    score: async ({ prompt, images }) => {
      const of = images[0]?.[0] === base.pixel ? base : trained;
      return { rewards: [of.rewards[prompt === 'a' ? 0 : 1]], verdicts: null, diversity: null };
    },
    trainer: {
      parameters: async () => trained.parameters,
      logRatios: async () => trained.logRatios && Float32Array.from(trained.logRatios),
      promote: async () => {
        promoted = trained;
      },
      rollBack: async () => {
        trained = promoted;
      },
    } as never,
  });
  let rounds = 0;
  const judge = async (next: Policy, trainedSteps: readonly number[] = [1, 2]) => {
    trained = next;
    rounds += 1;
    const { promotion, alarm } = await gate.judge(rounds, trainedSteps);
    expect(promotion.isPromoted).toBe(alarm === null);
    return { promotion, alarm, held: trained };
  };
  return { gate, judge, probes };
}

describe('the promotion gate', () => {
  it('should promote a policy that changes the pictures, agrees on log-probs and keeps the reward', async () => {
    const { gate, judge } = await start();
    const good = policy(0.5, [1, 3]);
    const { promotion, held } = await judge(good);
    expect(promotion).toEqual({
      isPromoted: true,
      outputChange: 0.5,
      logProbDifference: expect.closeTo(1e-5, 10),
      rewardMean: 2,
    });
    expect(held).toBe(good);
    expect(gate.bestReward()).toBe(2);
  });

  it('should roll back a policy whose reward has collapsed since the best one, and judge the next by it', async () => {
    const { gate, judge } = await start();
    const good = policy(0.5, [1, 3]);
    await judge(good);
    const { alarm, held } = await judge(policy(0.7, [0.4, 1.4]));
    expect(alarm).toMatchObject({ guard: 'promotion', action: 'roll-back', threshold: 1, round: 2 });
    expect(alarm?.value).toBeCloseTo(1.1);
    expect(alarm?.message).toContain(
      "promotion after 2 rounds: expected at most 1 standard deviations of the base model's rewards below the best promoted policy, got 1.1.",
    );
    expect(held).toBe(good);
    expect(gate.bestReward()).toBe(2);
    expect((await judge(policy(0.7, [0.6, 1.6]))).alarm).toBeNull();
    expect(gate.bestReward()).toBe(2);
  });

  it('should roll back a policy that another one samples for', async () => {
    const { judge } = await start();
    const { alarm, held } = await judge(policy(0.5, [1, 3], { logRatios: [0.03, -0.01] }));
    expect(alarm?.value).toBeCloseTo(0.02);
    expect(alarm?.message).toContain('log-probs of trainer and sampler');
    expect(held).toBe(PRETRAINED);
  });

  it('should roll back an adapter that changes nothing, unless it is that of the base model', async () => {
    const { judge } = await start();
    const bound = policy(0, [0, 2], { parameters: { ...BASE, 'lora.B': Float32Array.of(1, 1) } });
    expect((await judge(bound)).alarm?.message).toContain('the adapter leaves as they are to the last bit');
    const untrained = { ...PRETRAINED, parameters: { ...BASE } };
    expect((await judge(untrained)).alarm).toBeNull();
  });

  it.each([
    ['rewards', policy(0.5, [Number.NaN, 3])],
    ['vast rewards', policy(0.5, [1e200, 3])],
    ['log-probs', policy(0.5, [1, 3], { logRatios: [Number.NaN, 0] })],
  ])('should roll back a policy whose %s are no numbers to compare', async (_, broken) => {
    const { judge } = await start();
    const { alarm, held } = await judge(broken);
    expect(alarm).toMatchObject({ value: null, message: expect.stringContaining('got NaN') });
    expect(held).toBe(PRETRAINED);
  });

  it('should not judge what has no measure: no log-probs, rewards of the base model that are all alike', async () => {
    const { judge } = await start({ base: { ...PRETRAINED, rewards: [2, 2] } });
    const { promotion } = await judge(policy(0.5, [0, 0], { logRatios: null }));
    expect(promotion).toMatchObject({ isPromoted: true, logProbDifference: null });
  });

  it('should go on from the best reward before a resume', async () => {
    const { judge } = await start({ bestReward: 5 });
    expect((await judge(policy(0.5, [1, 3]))).alarm?.value).toBeCloseTo(3);
  });

  it('should probe the base model once an interval, and candidates under no version that is in use', async () => {
    const { judge, probes } = await start();
    await judge(policy(0.5, [1, 3]), [2]);
    await judge(policy(0.6, [1, 3]), [2]);
    await judge(policy(0.7, [1, 3]), [1, 2]);
    expect(probes).toEqual(['0: 2, reference', '-1: 2', '-2: 2', '0: 1,2, reference', '-3: 1,2']);
  });
});
