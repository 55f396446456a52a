import { describe, expect, test } from 'vitest';
import type { PredictionType } from '../../../src/models/diffusion/scheduler-config.js';
import { requireLogProb, samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { flowSchedule, scheduleWith } from './schedules.js';

/** Rows: i, t, abar_t, abar_p, sigma, k (null: not tabulated), W; to the digits shown. */
const GOLDEN_20 = [
  [0, 951, 0.008155, 0.014005, 0.644391, -0.549634, 0.7275],
  [1, 901, 0.014005, 0.023077, 0.624104, -0.508207, 0.6631],
  [4, 751, 0.055719, 0.081917, 0.557616, -0.399047, 0.5121],
  [6, 651, 0.116325, 0.159816, 0.508666, -0.339322, 0.445],
  [10, 451, 0.345558, 0.422882, 0.401553, -0.250037, 0.3877],
  [14, 251, 0.672151, 0.752143, 0.283554, -0.196483, 0.4802],
  [16, 151, 0.826399, 0.892981, 0.214393, -0.18602, 0.7528],
  [17, 101, 0.892981, 0.950524, 0.167295, -0.190926, 1.3025],
  [18, 51, 0.950524, 0.998296, 0.040597, -0.220477, 29.4948],
  [19, 1, 0.998296, 0.99915, 0.020648, -0.020714, 1.0064],
] as const;
const GOLDEN_50 = [
  [0, 981, 0.005776, 0.007282, 0.454463, null, 0.2627],
  [10, 781, 0.043456, 0.051364, 0.39075, null, 0.1918],
  [25, 481, 0.302296, 0.330846, 0.287685, null, 0.1411],
  [40, 181, 0.782654, 0.812108, 0.177068, null, 0.2003],
  [47, 41, 0.960873, 0.980381, 0.099887, null, 1.0348],
  [48, 21, 0.980381, 0.998296, 0.03948, null, 10.7242],
  [49, 1, 0.998296, 0.99915, 0.020648, null, 1.0064],
] as const;

describe('samplerCoefficients of a DDIM model', () => {
  test.each([
    ...GOLDEN_20.map((row) => [20, ...row] as const),
    ...GOLDEN_50.map((row) => [50, ...row] as const),
  ])(
    'should reproduce the golden table: S = %d, i = %d',
    (numSteps, i, t, abarT, abarP, sigma, k, klWeight) => {
      const step = samplerCoefficients(scheduleWith(), numSteps, 1)[i];
      expect(step?.timestep).toBe(t);
      expect(Math.abs((step?.alphaProdT ?? 0) - abarT)).toBeLessThan(5.1e-7);
      expect(Math.abs((step?.alphaProdPrev ?? 0) - abarP)).toBeLessThan(5.1e-7);
      expect(Math.abs((step?.stdDevT ?? 0) - sigma)).toBeLessThan(5.1e-7);
      if (k !== null) expect(Math.abs((step?.outputCoefficient ?? 0) - k)).toBeLessThan(5.1e-7);
      expect(Math.abs((step?.klWeight ?? 0) - klWeight)).toBeLessThan(5.1e-5);
    },
  );

  test('should give one and the same mean whatever the network predicts', () => {
    const means = (predictionType: PredictionType) =>
      samplerCoefficients(scheduleWith({ predictionType }), 10, 1).map((step) => {
        // A noisy sample x = sqrt(abar) x0 + sqrt(1 - abar) eps, and the three outputs that describe it.
        const [clean, noise] = [0.7, -1.3];
        const signal = Math.sqrt(step.alphaProdT);
        const sigma = Math.sqrt(1 - step.alphaProdT);
        const output = { epsilon: noise, sample: clean, v_prediction: signal * noise - sigma * clean }[
          predictionType
        ];
        return step.sampleCoefficient * (signal * clean + sigma * noise) + step.outputCoefficient * output;
      });
    means('epsilon').forEach((mean, i) => {
      expect(means('sample')[i]).toBeCloseTo(mean, 12);
      expect(means('v_prediction')[i]).toBeCloseTo(mean, 12);
    });
  });

  test('should keep a noisy sample on the schedule: signal and variance of the next level', () => {
    for (const eta of [0, 0.5, 1]) {
      for (const step of samplerCoefficients(scheduleWith(), 20, eta)) {
        const { alphaProdT, alphaProdPrev, stdDevT, sampleCoefficient: a, outputCoefficient: k } = step;
        expect(a * Math.sqrt(alphaProdT)).toBeCloseTo(Math.sqrt(alphaProdPrev), 12);
        expect((a * Math.sqrt(1 - alphaProdT) + k) ** 2 + stdDevT ** 2).toBeCloseTo(1 - alphaProdPrev, 12);
      }
    }
  });

  test('should be deterministic with eta 0 and say that such a step has no finite KL', () => {
    for (const { stdDevT, klWeight } of samplerCoefficients(scheduleWith(), 20, 0)) {
      expect(stdDevT).toBe(0);
      expect(klWeight).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test.each([0, 0.6, 1])(
    'should arrive at the clean picture where the config says so, with eta %d',
    (eta) => {
      const last = samplerCoefficients(scheduleWith({ setAlphaToOne: true }), 20, eta).at(-1);
      expect(last).toMatchObject({ timestep: 1, alphaProdPrev: 1, stdDevT: 0 });
      // The picture that the output speaks of: (x - √(1-ᾱ)·out)/√ᾱ.
      const signal = Math.sqrt(last?.alphaProdT ?? 0);
      expect(last?.sampleCoefficient).toBeCloseTo(1 / signal, 12);
      expect(last?.outputCoefficient).toBeCloseTo(-Math.sqrt(1 - signal ** 2) / signal, 12);
    },
  );

  test('should arrive at the least noisy timestep where the config says so', () => {
    const schedule = scheduleWith();
    const last = samplerCoefficients(schedule, 20, 1).at(-1);
    expect(last?.alphaProdPrev).toBe(schedule.alphasCumprod[0]);
    expect(last?.stdDevT).toBeCloseTo(0.020648, 6);
  });

  test('should finish at the clean picture from timestep 0, without noise', () => {
    const schedule = scheduleWith({ setAlphaToOne: true, stepsOffset: 0 });
    const steps = samplerCoefficients(schedule, 20, 1);
    expect(steps.at(-1)).toMatchObject({ timestep: 0, alphaProdPrev: 1, stdDevT: 0 });
    expect(() => requireLogProb(steps, 12)).toThrow(/sampler step 19 \(timestep 0\): expected a noisy step/);
    expect(() => requireLogProb(samplerCoefficients(scheduleWith(), 20, 1), 0)).not.toThrow();
  });

  test.each([-0.1, 1.1, Number.NaN])('should refuse eta %d, also where no step would use it', (eta) => {
    const text = 'eta: expected a number in [0, 1]';
    expect(() => samplerCoefficients(scheduleWith(), 20, eta)).toThrow(text);
    expect(() => samplerCoefficients(scheduleWith(), 20, { eta, isStochastic: () => false })).toThrow(text);
  });
});

describe('samplerCoefficients of any model', () => {
  const isStochastic = (step: number) => step >= 3 && step < 6;
  const families = [
    ['DDIM', scheduleWith()],
    ['flow', flowSchedule({ shift: 3 })],
  ] as const;

  test.each(families)(
    'should take %s steps outside the mask as eta 0 does, the others as eta does',
    (_, schedule) => {
      const masked = samplerCoefficients(schedule, 8, { eta: 0.8, isStochastic });
      const noisy = samplerCoefficients(schedule, 8, 0.8);
      const deterministic = samplerCoefficients(schedule, 8, 0);
      expect(masked).toEqual(noisy.map((step, i) => (isStochastic(i) ? step : deterministic[i])));
      expect(masked.map(({ stdDevT }) => stdDevT > 0)).toEqual(masked.map((_, i) => isStochastic(i)));
    },
  );

  test('should let a deterministic last DDIM step arrive at the clean picture', () => {
    const schedule = scheduleWith({ setAlphaToOne: true });
    const last = samplerCoefficients(schedule, 8, { eta: 1, isStochastic: (step) => step < 7 }).at(-1);
    expect(last).toMatchObject({ alphaProdPrev: 1, stdDevT: 0 });
    expect(last).toEqual(samplerCoefficients(schedule, 8, 1).at(-1));
  });

  test('should report the SDE of a flow, take flow-grpo silently, and ignore it for DDIM', () => {
    const deviations = (sde?: 'flow-grpo' | 'dance-grpo') =>
      samplerCoefficients(flowSchedule(), 4, sde ? { eta: 0.5, sde } : 0.5).map(({ stdDevT }) => stdDevT);
    expect(deviations()).toEqual(deviations('flow-grpo'));
    expect(deviations('dance-grpo')[0]).toBeCloseTo(0.5 * Math.sqrt(0.333), 12);
    const ddim = samplerCoefficients(scheduleWith(), 4, { eta: 1, sde: 'dance-grpo' });
    expect(ddim).toEqual(samplerCoefficients(scheduleWith(), 4, 1));
  });

  test('should let the level of a flow go up to 2', () => {
    expect(() => samplerCoefficients(flowSchedule(), 4, 2)).not.toThrow();
    expect(() => samplerCoefficients(flowSchedule(), 4, 2.1)).toThrow(
      'eta: expected a number in [0, 2], got 2.1.',
    );
    expect(() => samplerCoefficients(flowSchedule(), 4, { eta: 1.1, sde: 'cps' })).toThrow(
      'eta: expected a number in [0, 1], got 1.1. Train with eta: 0.8 for cps.',
    );
  });
});

describe('requireLogProb', () => {
  const steps = samplerCoefficients(scheduleWith(), 8, {
    eta: 1,
    isStochastic: (step) => step === 2 || step === 5,
  });

  test('should ask for noise at the trained steps alone', () => {
    expect(() => requireLogProb(steps, [5, 2])).not.toThrow();
    expect(() => requireLogProb(steps, [])).not.toThrow();
    expect(() => requireLogProb(steps, [2, 3, 5])).toThrow(
      /^sampler step 3 \(timestep 501\): expected a noisy step/,
    );
    expect(() => requireLogProb(steps, 5)).toThrow(/^sampler step 6 /);
  });
});
