import { describe, expect, it } from 'vitest';
import type { TrainingRow } from '../../../src/models/policy/training-rows.js';
import { createTrainingStatistics } from '../../../src/models/policy/training-statistics.js';

/** Rows of these sampler steps; a step of null is a noised picture. */
const rows = (...steps: (number | null)[]): TrainingRow[] =>
  steps.map((step) => ({
    prompt: '',
    step,
    timestep: 1,
    weight: 0.5,
    advantage: 0,
    scalars: {},
    latents: () => ({ sample: new Float32Array() }),
  }));
const padding = (step: number): TrainingRow[] => rows(step).map((row) => ({ ...row, weight: 0 }));
const ratios = (...values: number[]) => ({ ratios: Float32Array.from(values) });

describe('createTrainingStatistics', () => {
  it('should count clipped ratios by step, and leave padding out', () => {
    const statistics = createTrainingStatistics(0.1, 4);
    statistics.addRows([...rows(1, 2), ...padding(1)], ratios(1.05, 1.2, 99));
    statistics.addRows(rows(1, 2, 3), ratios(0.8, 1.25, 0.95));
    const { trainedRows, clipFraction, clipFractionByStep } = statistics.result();
    expect(trainedRows).toBe(5);
    expect(clipFraction).toBe(3 / 5);
    expect(clipFractionByStep).toEqual([0, 0.5, 1, 0]);
  });

  it('should count nothing as clipped where the surrogate clips nothing', () => {
    const statistics = createTrainingStatistics(null, 2);
    statistics.addRows(rows(0, 1), ratios(3, 0.1));
    expect(statistics.result()).toMatchObject({ clipFraction: 0, clipFractionByStep: [0, 0] });
    expect(statistics.result().maxRatioDeviation).toBe(2);
  });

  it('should take the deviation before the first update only', () => {
    const statistics = createTrainingStatistics(0.1, 2);
    statistics.addRows(rows(1, 1), ratios(1.25, 0.5));
    statistics.addUpdate(-1, 2);
    statistics.addRows(rows(1), ratios(3));
    expect(statistics.result().maxRatioDeviation).toBe(0.5);
    expect(statistics.result().meanRatioDeviation).toBeCloseTo((0.25 + 0.5 + 2) / 3, 12);
  });

  it('should average losses and norms over updates, and half the squared log-ratio over rows', () => {
    const statistics = createTrainingStatistics(0.1, 2);
    statistics.addRows(rows(1, 1), ratios(Math.E, 1));
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

  it('should give the norm of a run to its step, where it has but one', () => {
    const statistics = createTrainingStatistics(0.1, 3);
    statistics.addRun([...rows(1, 1), ...padding(2)], 3);
    statistics.addRun(rows(1, 1), 4);
    statistics.addRun(rows(1, 2), 99);
    statistics.addRun(rows(null, null), 99);
    expect(statistics.result().gradNormByStep).toEqual([null, Math.sqrt(12.5), null]);
  });

  it('should average the KL over rows, padding left out, and keep the loss of the value network', () => {
    const statistics = createTrainingStatistics(0.1, 2);
    statistics.addRows([...rows(0, 1), ...padding(1)], {
      ...ratios(1, 1, 1),
      kls: Float32Array.of(0.5, 1, 99),
    });
    statistics.addRows(rows(1), { ...ratios(1), kls: Float32Array.of(3) });
    statistics.addValueLoss(0.75);
    expect(statistics.result()).toMatchObject({ klToPretrained: 1.5, valueLoss: 0.75 });
  });

  it('should know of no ratio where pictures are noised anew', () => {
    const statistics = createTrainingStatistics(null, 2);
    statistics.addRows(rows(null, null), {});
    statistics.addUpdate(-1, 2);
    expect(statistics.result()).toMatchObject({
      optimizerSteps: 1,
      maxRatioDeviation: 0,
      meanRatioDeviation: 0,
      approxKl: 0,
      klToPretrained: null,
    });
  });

  it('should be all zero where nothing was trained', () => {
    expect(createTrainingStatistics(0.1, 2).result()).toEqual({
      optimizerSteps: 0,
      trainedRows: 0,
      policyLoss: 0,
      gradNorm: 0,
      gradNormByStep: [null, null],
      clipFraction: 0,
      clipFractionByStep: [0, 0],
      approxKl: 0,
      maxRatioDeviation: 0,
      meanRatioDeviation: 0,
      klToPretrained: null,
      valueLoss: null,
    });
  });
});
