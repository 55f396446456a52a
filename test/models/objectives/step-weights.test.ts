import { describe, expect, it } from 'vitest';
import { createNoiseSchedule } from '../../../src/models/diffusion/noise-schedule.js';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { stepWeights } from '../../../src/models/objectives/step-weights.js';
import { SCHEDULER } from '../../../src/models/shapes/networks.js';

const coefficients = samplerCoefficients(createNoiseSchedule(SCHEDULER), 10, 1);
const mean = (weights: readonly number[], count: number) =>
  weights.reduce((sum, weight) => sum + weight, 0) / count;

describe('stepWeights', () => {
  it('should weigh every trained step alike without weighting', () => {
    expect(stepWeights(coefficients, 3, 'none')).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('should have mean 1 over the trained steps, whatever the interval', () => {
    for (const firstStep of [0, 4, 7]) {
      expect(mean(stepWeights(coefficients, firstStep, 'variance'), 10 - firstStep)).toBeCloseTo(1, 12);
    }
  });

  it('should weigh by the variance of the noise', () => {
    const weights = stepWeights(coefficients, 0, 'variance');
    const ratio = (coefficients[5]?.stdDevT ?? 0) ** 2 / (coefficients[1]?.stdDevT ?? 1) ** 2;
    expect((weights[5] ?? 0) / (weights[1] ?? 1)).toBeCloseTo(ratio, 12);
  });

  it('should leave out steps with hardly any noise, as long as others are trained', () => {
    expect(stepWeights(coefficients, 0, 'variance').slice(8)).toEqual([0, 0]);
    expect(stepWeights(coefficients, 9, 'variance')[9]).toBe(1);
  });
});
