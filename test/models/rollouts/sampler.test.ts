import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ddimStep, stepLogProb } from '../../../src/models/diffusion/ddim-step.js';
import { usesGuidance } from '../../../src/models/diffusion/guided-output.js';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import { roundToFloat16 } from '../../../src/models/numeric/float16.js';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import type { SampledBranch, SampledGroup, SamplerSettings } from '../../../src/models/rollouts/sampler.js';
import { denoiserRows } from '../../../src/models/rollouts/sampler.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { halvingSampler } from '../../fixtures/halving-denoiser.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import { openTiny, openTinySampler, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
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

const branchOf = (groups: readonly SampledGroup[], group: number, branch: number) =>
  groups[group]?.branches[branch] as SampledBranch;

/** Coefficients of every step, all of them stochastic. */
const coefficients = () => stochasticCoefficients(tiny.pipeline.schedule, TINY_SAMPLER, []);

const countingSampler = (settings: Partial<SamplerSettings>) => halvingSampler(tiny.pipeline, settings);

describe('rollout', () => {
  it.each([
    { threads: 1, settings: {} },
    { threads: 2, settings: {} },
    { threads: 1, settings: { forkPlan: 'steps', forkSteps: [0, 2, 3], numBranches: 2 } },
    { threads: 1, settings: { forkPlan: 'independent', stochasticSteps: 'trained' } },
  ] as const)('should give a group the same bytes in any company: %j', async ({ threads, settings }) => {
    const opened = await openTiny({ threads });
    onTestFinished(() => opened.close());
    const { sampler } = await openTinySampler(opened, settings);
    const whole = await sampler.rollout([0, 1, 2, 3].map(request), stepsFrom(2));
    const reversed = await sampler.rollout([7, 3, 1, 0].map(request), stepsFrom(2));
    const alone = await sampler.rollout([request(1)], stepsFrom(2));
    expect(alone).toEqual([whole[1]]);
    expect([reversed[1], reversed[2], reversed[3]]).toEqual([whole[3], whole[1], whole[0]]);
    expect(reversed[0]).not.toEqual(whole[3]);
  });

  it('should differ by rounding alone where the batch has another size', async () => {
    const [four, two] = [
      await openTinySampler(tiny),
      await openTinySampler(tiny, { groupsPerBatch: 2 }),
    ] as const;
    const one = await four.sampler.rollout([request(1)], stepsFrom(0));
    const same = await two.sampler.rollout([request(1)], stepsFrom(0));
    for (let branch = 0; branch < TINY_SAMPLER.numBranches; branch++) {
      const [{ trajectory: expected }, { trajectory: found }] = [
        branchOf(one, 0, branch),
        branchOf(same, 0, branch),
      ];
      expect(largestDifference(found.latents, expected.latents)).toBeLessThan(1e-5);
    }
  });

  it.each([0, 3])(
    'should share latents up to the first trained step %i and differ after it',
    async (firstStep) => {
      const { sampler } = await openTinySampler(tiny);
      const [group] = await sampler.rollout([request(0)], stepsFrom(firstStep));
      expect(group?.tree).toEqual({ firstStep, widths: [1, ...stepsFrom(firstStep).map(() => 3)] });
      const branches = group?.branches ?? [];
      expect(branches).toHaveLength(TINY_SAMPLER.numBranches);
      const [first, ...others] = branches as [SampledBranch, ...SampledBranch[]];
      for (const { trajectory } of branches) {
        expect(trajectory.firstStep).toBe(firstStep);
        expect(trajectory.latents).toHaveLength((STEPS - firstStep + 1) * ROW);
        expect(trajectory.logProbs).toHaveLength(STEPS - firstStep);
      }
      for (const other of others) {
        expect(latentsAt(other, 0)).toEqual(latentsAt(first, 0));
        for (let index = 1; index <= STEPS - firstStep; index++)
          expect(largestDifference(latentsAt(other, index), latentsAt(first, index))).toBeGreaterThan(1e-3);
        expect(other.image).not.toEqual(first.image);
      }
    },
  );

  it('should walk the same path whatever part of it is recorded, branch 0 going on as the trunk', async () => {
    const { sampler } = await openTinySampler(tiny, { numBranches: 1 });
    const { trajectory: whole } = branchOf(await sampler.rollout([request(2)], stepsFrom(0)), 0, 0);
    const { trajectory: end } = branchOf(await sampler.rollout([request(2)], stepsFrom(3)), 0, 0);
    expect(end.latents).toEqual(whole.latents.subarray(3 * ROW));
    expect(end.logProbs).toEqual(whole.logProbs.subarray(3));
    const { sampler: forking } = await openTinySampler(tiny);
    const { trajectory: trunk } = branchOf(await forking.rollout([request(2)], stepsFrom(3)), 0, 0);
    // Other numbers of rows round otherwise.
    expect(largestDifference(trunk.latents, end.latents)).toBeLessThan(1e-5);
    expect(largestDifference(trunk.logProbs, end.logProbs)).toBeLessThan(1e-5);
  });

  it('should record every step from the first trained one on, trained or not', async () => {
    const { sampler } = countingSampler({});
    const [sparse] = await sampler.rollout([request(5)], [1, 3]);
    const [whole] = await sampler.rollout([request(5)], stepsFrom(1));
    expect(sparse).toEqual(whole);
  });

  it('should begin at the noise of the group when the first step is trained', async () => {
    const { sampler } = countingSampler({});
    const [group] = await sampler.rollout([request(6)], stepsFrom(0));
    const noise = counterRandom({ seed: TINY_SAMPLER.seed, purpose: 'initial-latents', group: 6 }).normal(
      ROW,
    );
    for (const branch of group?.branches ?? []) {
      expect(branch.trajectory.logProbs).toHaveLength(STEPS);
      expect(latentsAt(branch, 0)).toEqual(noise);
    }
  });

  it('should take exactly the DDIM step, with the noise of group, branch and step', async () => {
    const { sampler } = countingSampler({ guidanceScale: 1 });
    const branch = branchOf(await sampler.rollout([request(4)], stepsFrom(1)), 0, 2);
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
        coefficients: coefficients()[step] as StepCoefficients,
        batchSize: 1,
      });
      expect(latentsAt(branch, step)).toEqual(taken.nextLatents);
      expect(branch.trajectory.logProbs[step - 1]).toBe(taken.logProb?.[0]);
    }
  });

  it('should hand out the last latents, clamped, as the picture', async () => {
    const { sampler } = countingSampler({});
    const branch = branchOf(await sampler.rollout([request(0)], stepsFrom(2)), 0, 0);
    const last = latentsAt(branch, STEPS - 2);
    expect(branch.image).toEqual(last.map((value) => Math.min(1, Math.max(-1, value))));
  });

  it.each([
    [2, 8, 24],
    [1, 4, 12],
    [0.5, 4, 12],
    [0, 4, 12],
  ])(
    'should run guidance %d with %d rows up to the branch point and %d after it',
    async (guidanceScale, trunk, rows) => {
      const settings = { ...TINY_SAMPLER, guidanceScale };
      const { sampler, calls } = countingSampler({ guidanceScale });
      await sampler.rollout([request(0)], stepsFrom(2));
      // What leaves the branch point shares its evaluation: step 2 is one of the trunk's.
      expect(calls.map((call) => call.rows)).toEqual([trunk, trunk, trunk, rows, rows]);
      expect(calls.map(({ timestep }) => timestep)).toEqual(coefficients().map(({ timestep }) => timestep));
      expect(denoiserRows({ usesGuidance }, settings, stepsFrom(2))).toEqual([trunk, rows]);
      // Leaves are drawn in the last step, and nothing is run on them.
      expect(denoiserRows({ usesGuidance }, settings, [4])).toEqual([trunk]);
    },
  );

  it('should draw the conditional pictures, not the unconditional ones, at guidance 0', async () => {
    const drawn = async (guidanceScale: number) => {
      const { sampler } = await openTinySampler(tiny, { guidanceScale });
      return sampler.rollout([request(3)], stepsFrom(0));
    };
    const plain = await drawn(1);
    expect(await drawn(0)).toEqual(plain);
    expect(await drawn(0.5)).toEqual(plain);
  });

  it('should guide as if it ran the two halves apart', async () => {
    const { sampler: plain } = await openTinySampler(tiny, { guidanceScale: 1, numBranches: 1 });
    const { sampler: guided } = await openTinySampler(tiny, { guidanceScale: 1.000_001, numBranches: 1 });
    const { sampler: strong } = await openTinySampler(tiny, { guidanceScale: 3, numBranches: 1 });
    const [one, near, far] = (await Promise.all(
      [plain, guided, strong].map(
        async (sampler) =>
          branchOf(await sampler.rollout([request(3)], stepsFrom(0)), 0, 0).trajectory.latents,
      ),
    )) as [Float32Array, Float32Array, Float32Array];
    expect(largestDifference(near, one)).toBeLessThan(1e-5);
    expect(largestDifference(far, one)).toBeGreaterThan(1e-3);
  });

  it('should store float16 values, and their own log-probs', async () => {
    const { sampler } = await openTinySampler(tiny, { latentsDtype: 'float16', guidanceScale: 1 });
    const { trajectory } = branchOf(await sampler.rollout([request(0)], stepsFrom(2)), 0, 1);
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
    const { stdDevT } = coefficients()[4] as StepCoefficients;
    const draws = noise.normal(ROW).map((value) => value * stdDevT);
    const unrounded = stepLogProb(draws, new Float32Array(ROW), stdDevT, 1)[0] ?? 0;
    const difference = Math.abs((trajectory.logProbs[2] ?? 0) - unrounded);
    expect(difference).toBeGreaterThan(1e-5);
    expect(difference).toBeLessThan(0.01);
  });

  it('should begin at the noise of the group in float16 where latents are stored so', async () => {
    for (const settings of [{}, { forkPlan: 'independent' as const }, { numBranches: 1 }]) {
      const { sampler } = await openTinySampler(tiny, { ...settings, latentsDtype: 'float16' });
      const { trajectory } = branchOf(await sampler.rollout([request(2)], stepsFrom(0)), 0, 0);
      const noise = counterRandom({
        seed: TINY_SAMPLER.seed,
        purpose: 'initial-latents',
        group: 2,
        branch: 0,
      });
      expect(trajectory.latents.subarray(0, ROW)).toEqual(noise.normal(ROW).map(roundToFloat16));
      expect(trajectory.latents.map(roundToFloat16)).toEqual(trajectory.latents);
    }
  });

  it('should have the log-probs of its own draws: -ln σ - ½ ln 2π - ½ on average', async () => {
    const { sampler } = await openTinySampler(tiny);
    const groups = await sampler.rollout([0, 1, 2, 3].map(request), stepsFrom(0));
    const logProbs = groups.flatMap(({ branches }) => branches.map(({ trajectory }) => trajectory.logProbs));
    expect(logProbs).toHaveLength(12);
    for (const [step, { stdDevT }] of coefficients().entries()) {
      const mean = logProbs.reduce((sum, values) => sum + (values[step] ?? 0), 0) / 12;
      // ½ n² has variance ½: a mean over D dimensions and 12 draws has standard deviation √(½ / 12 D) = 0.0074.
      const deviation = mean + Math.log(stdDevT) + 0.5 * Math.log(2 * Math.PI) + 0.5;
      expect(Math.abs(deviation)).toBeLessThan(3 * Math.sqrt(0.5 / (12 * ROW)));
    }
  });

  it('should have no log-prob to tell where eta is 0', async () => {
    const { sampler } = countingSampler({ eta: 0 });
    const [group] = await sampler.rollout([request(0)], stepsFrom(3));
    const branches = group?.branches ?? [];
    expect(branches.map(({ trajectory }) => [...trajectory.logProbs])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(new Set(branches.map(({ image }) => image.join())).size).toBe(1);
  });

  it('should refuse no group at all, and more than a batch', async () => {
    const { sampler } = countingSampler({});
    expect(await faultOf(() => sampler.rollout([], stepsFrom(0)))).toEqual([
      'TRIB_INTERNAL',
      'rollout: expected 1 to 4 groups, got 0. Split the batch.',
    ]);
    expect(await faultOf(() => sampler.rollout([0, 1, 2, 3, 4].map(request), stepsFrom(0)))).toEqual([
      'TRIB_INTERNAL',
      'rollout: expected 1 to 4 groups, got 5. Split the batch.',
    ]);
  });

  it('should stop when it is canceled', async () => {
    const { sampler } = await openTinySampler(tiny);
    const [code] = await faultOf(() => sampler.rollout([request(0)], stepsFrom(0), AbortSignal.abort()));
    expect(code).toBe('TRIB_CANCELLED');
  });

  it('should say which word of a prompt the model does not know', async () => {
    const { sampler } = countingSampler({});
    expect(await faultOf(() => sampler.rollout([{ groupIndex: 0, prompt: 'a red cirle' }], []))).toEqual([
      'TRIB_PROMPT',
      'prompt "a red cirle" word 3: expected a word of the model\'s vocabulary, got "cirle". Did you mean "circle"?',
    ]);
  });
});
