import { describe, expect, it } from 'vitest';
import { createTrainingStatistics } from '../../../src/models/policy/training-statistics.js';

const trajectory = { firstStep: 1, latents: new Float32Array(), logProbs: new Float32Array() };
const pairs = (...steps: number[]) => steps.map((step) => ({ step, sample: { trajectory } }));

describe('createTrainingStatistics', () => {
  it('should count clipped ratios by step, and leave padding out', () => {
    const statistics = createTrainingStatistics(0.1, 4);
    statistics.addRatios(pairs(1, 2), Float32Array.of(1.05, 1.2, 99));
    statistics.addRatios(pairs(1, 2, 3), Float32Array.of(0.8, 1.25, 0.95));
    const { clipFraction, clipFractionByStep } = statistics.result();
    expect(clipFraction).toBe(3 / 5);
    expect(clipFractionByStep).toEqual([0, 0.5, 1, 0]);
  });

  it('should take the deviation before the first update only', () => {
    const statistics = createTrainingStatistics(0.1, 2);
    statistics.addRatios(pairs(1, 1), Float32Array.of(1.25, 0.5));
    statistics.addUpdate(-1, 2);
    statistics.addRatios(pairs(1), Float32Array.of(3));
    expect(statistics.result().maxRatioDeviation).toBe(0.5);
  });

  it('should average losses and norms over updates, and half the squared log-ratio over pairs', () => {
    const statistics = createTrainingStatistics(0.1, 2);
    statistics.addRatios(pairs(1, 1), Float32Array.of(Math.E, 1));
    statistics.addUpdate(-1, 2);
    statistics.addUpdate(-2, 4);
    const { optimizerSteps, policyLoss, gradNorm, approxKl } = statistics.result();
    expect({ optimizerSteps, policyLoss, gradNorm }).toEqual({
      optimizerSteps: 2,
      policyLoss: -1.5,
      gradNorm: 3,
    });
    expect(approxKl).toBeCloseTo(0.25, 6);
  });

  it('should be all zero where nothing was trained', () => {
    expect(createTrainingStatistics(0.1, 2).result()).toEqual({
      optimizerSteps: 0,
      policyLoss: 0,
      gradNorm: 0,
      clipFraction: 0,
      clipFractionByStep: [0, 0],
      approxKl: 0,
      maxRatioDeviation: 0,
    });
  });
});
