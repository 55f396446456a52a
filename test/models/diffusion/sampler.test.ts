import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ddimStep, stepLogProb } from '../../../src/models/diffusion/ddim-step.js';
import type { Denoiser } from '../../../src/models/diffusion/denoiser.js';
import type { SampledBranch, SamplerSettings } from '../../../src/models/diffusion/sampler.js';
import { createSampler, denoiserRows } from '../../../src/models/diffusion/sampler.js';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { roundToFloat16 } from '../../../src/models/numeric/float16.js';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import { faultOf } from '../../fixtures/fault-of.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import { openTiny, openTinySampler, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { largestDifference } from '../../fixtures/run-model.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';

const ROW = 3 * 16 * 16;
const STEPS = TINY_SAMPLER.numInferenceSteps;

let tiny: OpenTiny;
beforeAll(async () => {
  tiny = await openTiny();
});
afterAll(() => tiny.close());

const request = (groupIndex: number) => ({
  groupIndex,
  prompt: TINY_PROMPTS[groupIndex % TINY_PROMPTS.length] ?? '',
});
const latentsAt = ({ trajectory }: SampledBranch, index: number) =>
  trajectory.latents.subarray(index * ROW, (index + 1) * ROW);

/** A denoiser whose output is half its input, and the calls that it got. */
function countingDenoiser() {
  const calls: { rows: number; timestep: number }[] = [];
  const denoiser: Denoiser = {
    adapters: [],
    provider: 'cpu',
    fallbacks: [],
    usePolicy: async () => {},
    async predict(latents, timestep) {
      calls.push({ rows: latents.length / ROW, timestep });
      return latents.map((value) => value / 2);
    },
    release: async () => {},
  };
  return { denoiser, calls };
}

function countingSampler(settings: Partial<SamplerSettings>) {
  const { denoiser, calls } = countingDenoiser();
  return { sampler: createSampler(tiny.pipeline, denoiser, { ...TINY_SAMPLER, ...settings }), calls };
}

describe('rollout', () => {
  it.each([1, 2])('should give a group the same bytes in any company, with %i threads', async (threads) => {
    const opened = await openTiny({ threads });
    onTestFinished(() => opened.close());
    const { sampler } = await openTinySampler(opened);
    const whole = await sampler.rollout([0, 1, 2, 3].map(request), 2);
    const reversed = await sampler.rollout([7, 3, 1, 0].map(request), 2);
    const alone = await sampler.rollout([request(1)], 2);
    expect(alone).toEqual([whole[1]]);
    expect([reversed[1], reversed[2], reversed[3]]).toEqual([whole[3], whole[1], whole[0]]);
    expect(reversed[0]).not.toEqual(whole[3]);
  });

  it('should differ by rounding alone where the batch has another size', async () => {
    const [four, two] = [
      await openTinySampler(tiny),
      await openTinySampler(tiny, { groupsPerBatch: 2 }),
    ] as const;
    const [[one], [same]] = [
      await four.sampler.rollout([request(1)], 0),
      await two.sampler.rollout([request(1)], 0),
    ];
    for (const [branch, { trajectory }] of (one ?? []).entries())
      expect(
        largestDifference(same?.[branch]?.trajectory.latents ?? new Float32Array(), trajectory.latents),
      ).toBeLessThan(1e-5);
  });

  it('should share latents up to firstStep and differ after it', async () => {
    const { sampler } = await openTinySampler(tiny);
    const [branches = []] = await sampler.rollout([request(0)], 3);
    expect(branches).toHaveLength(TINY_SAMPLER.numBranches);
    const [first, ...others] = branches as [SampledBranch, ...SampledBranch[]];
    expect(first.trajectory).toMatchObject({ firstStep: 3 });
    expect(first.trajectory.latents).toHaveLength((STEPS - 3 + 1) * ROW);
    expect(first.trajectory.logProbs).toHaveLength(STEPS - 3);
    for (const other of others) {
      expect(latentsAt(other, 0)).toEqual(latentsAt(first, 0));
      for (const index of [1, 2])
        expect(largestDifference(latentsAt(other, index), latentsAt(first, index))).toBeGreaterThan(1e-3);
      expect(other.image).not.toEqual(first.image);
    }
  });

  it('should walk the same path whatever part of it is recorded, branch 0 going on as the trunk', async () => {
    const { sampler } = await openTinySampler(tiny, { numBranches: 1 });
    const [[whole], [end]] = [
      (await sampler.rollout([request(2)], 0))[0] as [SampledBranch],
      (await sampler.rollout([request(2)], 3))[0] as [SampledBranch],
    ];
    expect(
      largestDifference(end.trajectory.latents, whole.trajectory.latents.subarray(3 * ROW)),
    ).toBeLessThan(1e-5);
    expect(largestDifference(end.trajectory.logProbs, whole.trajectory.logProbs.subarray(3))).toBeLessThan(
      1e-5,
    );
  });

  it('should begin at the noise of the group when firstStep is 0', async () => {
    const { sampler } = countingSampler({});
    const [branches = []] = await sampler.rollout([request(6)], 0);
    const noise = counterRandom({ seed: TINY_SAMPLER.seed, purpose: 'initial-latents', group: 6 }).normal(
      ROW,
    );
    for (const branch of branches) {
      expect(branch.trajectory.logProbs).toHaveLength(STEPS);
      expect(latentsAt(branch, 0)).toEqual(noise);
    }
  });

  it('should take exactly the DDIM step, with the noise of group, branch and step', async () => {
    const { sampler } = countingSampler({ guidanceScale: 1 });
    const [branches = []] = await sampler.rollout([request(4)], 1);
    const branch = branches[2] as SampledBranch;
    for (let step = 1; step < STEPS; step++) {
      const latents = latentsAt(branch, step - 1);
      const noise = counterRandom({
        seed: TINY_SAMPLER.seed,
        purpose: 'step-noise',
        group: 4,
        branch: 2,
        step,
      });
      const taken = ddimStep({
        latents,
        modelOutput: latents.map((value) => value / 2),
        noise: noise.normal(ROW),
        coefficients: sampler.coefficients[step] as StepCoefficients,
        batchSize: 1,
      });
      expect(latentsAt(branch, step)).toEqual(taken.nextLatents);
      expect(branch.trajectory.logProbs[step - 1]).toBe(taken.logProb?.[0]);
    }
  });

  it('should hand out the last latents, clamped, as the picture', async () => {
    const { sampler } = countingSampler({});
    const [[branch]] = (await sampler.rollout([request(0)], 2)) as [[SampledBranch]];
    const last = latentsAt(branch, STEPS - 2);
    expect(branch.image).toEqual(last.map((value) => Math.min(1, Math.max(-1, value))));
  });

  it.each([
    [2, 8, 24],
    [1, 4, 12],
  ])(
    'should run guidance %d with %d rows before the branch point and %d after it',
    async (guidanceScale, trunk, rows) => {
      const settings = { ...TINY_SAMPLER, guidanceScale };
      const { sampler, calls } = countingSampler({ guidanceScale });
      await sampler.rollout([request(0)], 2);
      expect(calls.map((call) => call.rows)).toEqual([trunk, trunk, rows, rows, rows]);
      expect(calls.map(({ timestep }) => timestep)).toEqual(
        sampler.coefficients.map(({ timestep }) => timestep),
      );
      expect(denoiserRows(settings)).toEqual([trunk, rows]);
    },
  );

  it('should guide as if it ran the two halves apart', async () => {
    const { sampler: plain } = await openTinySampler(tiny, { guidanceScale: 1, numBranches: 1 });
    const { sampler: guided } = await openTinySampler(tiny, { guidanceScale: 1.000_001, numBranches: 1 });
    const { sampler: strong } = await openTinySampler(tiny, { guidanceScale: 3, numBranches: 1 });
    const images = await Promise.all(
      [plain, guided, strong].map(async (sampler) => (await sampler.rollout([request(3)], 0))[0]?.[0]),
    );
    const [one, near, far] = images.map((branch) => branch?.trajectory.latents ?? new Float32Array()) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    expect(largestDifference(near, one)).toBeLessThan(1e-5);
    expect(largestDifference(far, one)).toBeGreaterThan(1e-3);
  });

  it('should store float16 values, and their own log-probs', async () => {
    const { sampler } = await openTinySampler(tiny, { latentsDtype: 'float16', guidanceScale: 1 });
    const [branches = []] = await sampler.rollout([request(0)], 2);
    const { trajectory } = branches[1] as SampledBranch;
    const stored = trajectory.latents.subarray(ROW);
    expect(stored.map(roundToFloat16)).toEqual(stored);
    // The log-prob of unrounded latents is a function of the noise alone; that of stored ones is not.
    const noise = counterRandom({
      seed: TINY_SAMPLER.seed,
      purpose: 'step-noise',
      group: 0,
      branch: 1,
      step: 4,
    });
    const { stdDevT } = sampler.coefficients[4] as StepCoefficients;
    const draws = noise.normal(ROW).map((value) => value * stdDevT);
    const unrounded = stepLogProb(draws, new Float32Array(ROW), stdDevT, 1)[0] ?? 0;
    const difference = Math.abs((trajectory.logProbs[2] ?? 0) - unrounded);
    expect(difference).toBeGreaterThan(1e-5);
    expect(difference).toBeLessThan(0.01);
  });

  it('should have no log-prob to tell where eta is 0', async () => {
    const { sampler } = countingSampler({ eta: 0 });
    const [branches = []] = await sampler.rollout([request(0)], 3);
    expect(branches.map(({ trajectory }) => [...trajectory.logProbs])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(new Set(branches.map(({ image }) => image.join())).size).toBe(1);
  });

  it('should refuse no group at all, and more than a batch', async () => {
    const { sampler } = countingSampler({});
    expect(await faultOf(() => sampler.rollout([], 0))).toEqual([
      'TRIB_INTERNAL',
      'rollout: expected 1 to 4 groups, got 0. Split the batch.',
    ]);
    expect(await faultOf(() => sampler.rollout([0, 1, 2, 3, 4].map(request), 0))).toEqual([
      'TRIB_INTERNAL',
      'rollout: expected 1 to 4 groups, got 5. Split the batch.',
    ]);
  });

  it('should stop when it is cancelled', async () => {
    const { sampler } = await openTinySampler(tiny);
    const [code] = await faultOf(() => sampler.rollout([request(0)], 0, AbortSignal.abort()));
    expect(code).toBe('TRIB_CANCELLED');
  });

  it('should say which word of a prompt the model does not know', async () => {
    const { sampler } = countingSampler({});
    expect(await faultOf(() => sampler.rollout([{ groupIndex: 0, prompt: 'a red cirle' }], 0))).toEqual([
      'TRIB_PROMPT',
      'prompt "a red cirle" word 3: expected a word of the model\'s vocabulary, got "cirle". Did you mean "circle"?',
    ]);
  });
});
