import { describe, expect, it } from 'vitest';
import { createNoiseSchedule } from '../../../src/models/diffusion/noise-schedule.js';
import {
  type StepCoefficients,
  samplerCoefficients,
} from '../../../src/models/diffusion/step-coefficients.js';
import { STEP_WEIGHTINGS, stepWeights } from '../../../src/models/objectives/step-weights.js';
import { SCHEDULER } from '../../../src/models/shapes/networks/network-sizes.js';
import { scheduleWith } from '../diffusion/schedules.js';

const coefficients = samplerCoefficients(createNoiseSchedule(SCHEDULER), 10, 1);
/** Stable Diffusion 1.x with 20 steps; σ and W of its last steps, as published with the schedule, to six places. */
const stableDiffusion = samplerCoefficients(scheduleWith(), 20, 1);
const SIGMA = { 16: 0.214393, 17: 0.167295, 18: 0.040597, 19: 0.020648 };
const KL_WEIGHT = { 16: 0.7528, 17: 1.3025, 18: 29.4948, 19: 1.0064 };

const stepsFrom = (firstStep: number, count = 10) =>
  Array.from({ length: count - firstStep }, (_, index) => firstStep + index);
const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);

describe('stepWeights', () => {
  it('should weigh every trained step alike without weighting', () => {
    expect(stepWeights(coefficients, stepsFrom(3), 'none')).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    expect(stepWeights(coefficients, [2, 5, 9], 'none')).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 0, 1]);
  });

  it.each(STEP_WEIGHTINGS)('should have mean 1 over all steps: %s', (weighting) => {
    expect(sum(stepWeights(coefficients, stepsFrom(0), weighting)) / 10).toBeCloseTo(1, 12);
  });

  it.each(STEP_WEIGHTINGS)('should weigh a step alike, whichever are trained with it: %s', (weighting) => {
    const whole = stepWeights(coefficients, stepsFrom(0), weighting);
    for (const trainedSteps of [stepsFrom(4), [1, 2, 3], [0, 4, 6], [2]]) {
      const weights = stepWeights(coefficients, trainedSteps, weighting);
      expect(weights).toEqual(whole.map((weight, step) => (trainedSteps.includes(step) ? weight : 0)));
    }
  });

  it('should scale by the mean over all steps, and leave out what is negligible beside the trained ones', () => {
    const noises = [0.4, 0.3, 0.1, 0.02].map((stdDevT) => ({ stdDevT }) as StepCoefficients);
    const expectWeights = (trainedSteps: readonly number[], expected: readonly number[]) =>
      stepWeights(noises, trainedSteps, 'variance').forEach((weight, step) => {
        expect(weight).toBeCloseTo(expected[step] ?? Number.NaN, 12);
      });
    // Variances 0.16, 0.09, 0.01 and 0.0004, which is under a hundredth of the first: mean 0.26 / 4 = 0.065.
    expectWeights([0, 1, 2, 3], [32 / 13, 18 / 13, 2 / 13, 0]);
    expectWeights([1, 3], [0, 18 / 13, 0, 0]);
    // Beside 0.01 it is 4 %, and trained: at its share of the same mean.
    expectWeights([2, 3], [0, 0, 2 / 13, 0.08 / 13]);
    expectWeights([3], [0, 0, 0, 0.08 / 13]);
  });

  it('should weigh by the variance of the noise', () => {
    const weights = stepWeights(coefficients, stepsFrom(0), 'variance');
    const ratio = (coefficients[5]?.stdDevT ?? 0) ** 2 / (coefficients[1]?.stdDevT ?? 1) ** 2;
    expect((weights[5] ?? 0) / (weights[1] ?? 1)).toBeCloseTo(ratio, 12);
  });

  it.each([
    ['variance', (step: 16 | 17 | 18 | 19) => SIGMA[step] ** 2],
    ['noise-aware', (step: 16 | 17 | 18 | 19) => SIGMA[step]],
    ['inverse-w', (step: 16 | 17 | 18 | 19) => 1 / KL_WEIGHT[step]],
    ['inverse-sqrt-w', (step: 16 | 17 | 18 | 19) => 1 / Math.sqrt(KL_WEIGHT[step])],
  ] as const)('should weigh the last steps of Stable Diffusion as its numbers say: %s', (weighting, raw) => {
    const trained = [16, 17, 18, 19] as const;
    const weights = stepWeights(stableDiffusion, trained, weighting);
    // σ² of step 19 is 0.9 % of that of step 16, under the 1 % from which a step is trained.
    const kept = trained.filter((step) => weighting !== 'variance' || step !== 19);
    for (const step of trained) {
      const expected = kept.includes(step) ? raw(step) / raw(16) : 0;
      expect(Math.abs((weights[step] ?? Number.NaN) / (weights[16] ?? 1) - expected)).toBeLessThan(2e-4);
    }
  });

  it('should take from the last but one step of Stable Diffusion what its W is too much', () => {
    const [plain, inverse] = (['none', 'inverse-w'] as const).map((weighting) =>
      stepWeights(stableDiffusion, stepsFrom(0, 20), weighting),
    ) as [number[], number[]];
    const share = (weights: number[]) => (weights[18] ?? 0) / (weights[10] ?? 1);
    expect(share(plain)).toBe(1);
    expect(share(inverse)).toBeCloseTo(0.3877 / 29.4948, 5);
  });

  it('should drop the last step of the sampler, and of no shorter interval', () => {
    const weight = 10 / 9;
    expect(stepWeights(coefficients, stepsFrom(6), 'drop-last').slice(5)).toEqual([
      0,
      weight,
      weight,
      weight,
      0,
    ]);
    expect(stepWeights(coefficients, [3, 4], 'drop-last').slice(2, 6)).toEqual([0, weight, weight, 0]);
  });

  it('should weigh nothing where the dropped step is the only one', () => {
    expect(stepWeights(coefficients, [9], 'drop-last')).toEqual(new Array(10).fill(0));
  });

  it('should leave out steps with hardly any noise, as long as others are trained', () => {
    expect(stepWeights(coefficients, stepsFrom(0), 'variance').slice(8)).toEqual([0, 0]);
    expect(stepWeights(coefficients, [9], 'variance')[9]).toBeGreaterThan(0);
  });
});
