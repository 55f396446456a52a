import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type FlowStepCoefficients,
  flowCoefficients,
  type SdeName,
} from '../../../src/models/diffusion/flow-coefficients.js';
import { flowSchedule } from './schedules.js';

const SDES: readonly SdeName[] = ['flow-grpo', 'dance-grpo'];
const stepsOf = (numSteps: number, level: number, sde: SdeName, shift = 1) =>
  flowCoefficients(flowSchedule({ shift }), numSteps, () => ({ level, sde }));
const meanOf = ({ sampleCoefficient: a, outputCoefficient: k }: FlowStepCoefficients, x: number, v: number) =>
  a * x + k * v;

describe('flowCoefficients', () => {
  test('should step along the velocity at level 0', () => {
    // Four steps from 1 to 0.001 are 0.333 long; the last one goes from 0.001 to 0.
    const steps = stepsOf(4, 0, 'flow-grpo');
    [0.333, 0.333, 0.333, 0.001].forEach((length, i) => {
      expect(steps[i]).toMatchObject({ stepIndex: i, stdDevT: 0, sampleCoefficient: 1 });
      expect(steps[i]?.outputCoefficient).toBeCloseTo(-length, 12);
      expect(steps[i]?.klWeight).toBe(Number.POSITIVE_INFINITY);
    });
    expect(steps.map(({ timestep }) => Math.round(timestep * 1e9) / 1e9)).toEqual([1000, 667, 334, 1]);
    expect(steps.at(-1)).toMatchObject({ nextSigma: 0, prevTimestep: 0 });
  });

  test('should take the steps of Flow-GRPO, worked out by hand', () => {
    // Step 1: sigma 0.667, dt -0.333, g² = 0.49 · 0.667 / 0.333 = 0.98147; g² / 2 sigma = 0.735736.
    const [first, second] = stepsOf(4, 0.7, 'flow-grpo');
    expect(second?.stdDevT).toBeCloseTo(Math.sqrt(0.49 * 0.667), 12);
    expect(second?.sampleCoefficient).toBeCloseTo(1 - 0.735736 * 0.333, 6);
    expect(second?.outputCoefficient).toBeCloseTo(-0.333 * (1 + 0.735736 * 0.333), 6);
    expect(second?.klWeight).toBeCloseTo((0.333 * 1.245) ** 2 / (0.49 * 0.667), 4);
    // Step 0: sigma 1; below the fraction stands 1 - 0.667 instead of 0, so g² = 0.49 / 0.333.
    expect(first?.stdDevT).toBeCloseTo(0.7, 12);
    expect(first?.sampleCoefficient).toBeCloseTo(1 - 0.49 / 2, 12);
    expect(first?.outputCoefficient).toBeCloseTo(-0.333, 12);
  });

  test('should take the steps of DanceGRPO, worked out by hand', () => {
    // Step 1: sigma 0.667, dt -0.333, g = 0.3; g² / 2 sigma = 0.067466.
    const step = stepsOf(4, 0.3, 'dance-grpo')[1];
    expect(step?.stdDevT).toBeCloseTo(0.3 * Math.sqrt(0.333), 12);
    expect(step?.sampleCoefficient).toBeCloseTo(1 - 0.067466 * 0.333, 6);
    expect(step?.outputCoefficient).toBeCloseTo(-0.333 * (1 + 0.067466 * 0.333), 6);
  });

  test('should take the steps of Flow-CPS, worked out by hand', () => {
    // Step 1: sigma 0.667 to 0.334, s = 0.334 sin 30°; of the mean 0.666 is the picture, 0.334 cos 30° the noise.
    const [, step, , last] = stepsOf(4, 1 / 3, 'cps');
    expect(step?.stdDevT).toBeCloseTo(0.167, 12);
    const kept = 0.334 * Math.sqrt(0.75);
    expect(step?.sampleCoefficient).toBeCloseTo(0.666 + kept, 12);
    expect(step?.outputCoefficient).toBeCloseTo(0.333 * kept - 0.666 * 0.667, 12);
    expect(last?.stdDevT).toBe(0);
    expect(last?.sampleCoefficient).toBe(1);
    expect(last?.outputCoefficient).toBeCloseTo(-0.001, 12);
  });

  test('should keep the shares of picture and noise with cps, whatever the level and the number of steps', () => {
    for (const [numSteps, level] of [
      [3, 0.5],
      [7, 1],
      [20, 0.9],
    ] as const)
      for (const { sigma, nextSigma, ...step } of stepsOf(numSteps, level, 'cps', 3)) {
        // Of a network that knows picture 1 and noise 0, and then picture 0 and noise 1.
        const picture = meanOf(step as FlowStepCoefficients, 1 - sigma, -1);
        const noise = meanOf(step as FlowStepCoefficients, sigma, 1);
        expect(picture).toBeCloseTo(1 - nextSigma, 12);
        expect(noise ** 2 + step.stdDevT ** 2).toBeCloseTo(nextSigma ** 2, 12);
      }
  });

  test('should be finite where a single step goes from noise to the picture', () => {
    for (const sde of SDES) {
      const [step] = stepsOf(1, 0.7, sde);
      expect(step?.stdDevT).toBeCloseTo(0.7, 12);
      expect(step?.sampleCoefficient).toBeCloseTo(1 - 0.49 / 2, 12);
      expect(step?.outputCoefficient).toBe(-1);
    }
  });

  test('should differ from the ODE by the score alone, in proportion to the variance', () => {
    const real = fc.double({ min: -3, max: 3, noNaN: true });
    const settings = fc.record({
      sde: fc.constantFrom(...SDES),
      level: fc.double({ min: 0.01, max: 2, noNaN: true }),
      shift: fc.double({ min: 0.3, max: 5, noNaN: true }),
      numSteps: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(settings, real, real, ({ sde, level, shift, numSteps }, x, v) => {
        const ode = stepsOf(numSteps, 0, sde, shift);
        stepsOf(numSteps, level, sde, shift).forEach((step, i) => {
          // The picture that x and v speak of, and the score of x around it: x = (1 - sigma) x_0 + sigma n.
          const { sigma, stdDevT } = step;
          const original = x - sigma * v;
          const score = -(x - (1 - sigma) * original) / sigma ** 2;
          const pull = meanOf(step, x, v) - meanOf(ode[i] as FlowStepCoefficients, x, v);
          const expected = 0.5 * stdDevT ** 2 * score;
          expect(Math.abs(pull - expected)).toBeLessThan(1e-9 * (1 + Math.abs(expected)));
        });
      }),
    );
  });

  test('should tend to the ODE as the level tends to 0', () => {
    for (const sde of [...SDES, 'cps'] as const) {
      const ode = stepsOf(10, 0, sde);
      stepsOf(10, 1e-4, sde).forEach((step, i) => {
        expect(step.stdDevT).toBeLessThan(2e-4);
        expect(step.sampleCoefficient).toBeCloseTo(1, 5);
        expect(step.outputCoefficient).toBeCloseTo(ode[i]?.outputCoefficient ?? 0, 7);
      });
    }
  });

  test.each([
    ['ODE', 'flow-grpo', 0, 0.002],
    ['flow-grpo', 'flow-grpo', 0.7, 0.005],
    ['dance-grpo', 'dance-grpo', 0.3, 0.005],
  ] as const)(
    'should keep the distribution of Gaussian pictures at every noise level: %s',
    (_, sde, level, tolerance) => {
      // x_0 ~ N(m, s²). The exact velocity is linear in x, so mean and variance travel through the steps in closed form.
      const [m, variance0] = [0.8, 0.25];
      const exact = (sigma: number) => ({
        mean: (1 - sigma) * m,
        variance: (1 - sigma) ** 2 * variance0 + sigma ** 2,
      });
      let [mean, variance] = [0, 1];
      for (const step of stepsOf(1000, level, sde)) {
        const { sigma, nextSigma, sampleCoefficient, outputCoefficient, stdDevT } = step;
        const here = exact(sigma);
        const slope = (sigma - (1 - sigma) * variance0) / here.variance;
        const velocityAtMean = -m + slope * (mean - here.mean);
        mean = sampleCoefficient * mean + outputCoefficient * velocityAtMean;
        variance = (sampleCoefficient + outputCoefficient * slope) ** 2 * variance + stdDevT ** 2;
        // Near pure noise the first steps of flow-grpo are not small: its noise is infinite there.
        if (nextSigma > 0.8) continue;
        expect(Math.abs(mean - exact(nextSigma).mean)).toBeLessThan(tolerance);
        expect(Math.abs(variance / exact(nextSigma).variance - 1)).toBeLessThan(3 * tolerance);
      }
      expect(mean).toBeCloseTo(m, 2);
      expect(Math.abs(variance - variance0)).toBeLessThan(tolerance);
    },
  );
});
