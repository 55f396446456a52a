import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forwardProcess, trainingTimestep } from '../../../src/models/diffusion/forward-process.js';
import type { NoiseSchedule } from '../../../src/models/diffusion/noise-schedule.js';
import { flowSchedule, scheduleWith } from './schedules.js';

const SCHEDULES: Readonly<Record<string, NoiseSchedule>> = {
  epsilon: scheduleWith(),
  sample: scheduleWith({ predictionType: 'sample' }),
  v_prediction: scheduleWith({ predictionType: 'v_prediction' }),
  flow: flowSchedule({ shift: 3 }),
};
const arbitrarySchedule = fc.constantFrom(...Object.values(SCHEDULES));
const real = fc.double({ min: -3, max: 3, noNaN: true });
const index = fc.integer({ min: 0, max: 999 });

describe('forwardProcess', () => {
  test('should know what each network is asked for, by hand', () => {
    // One increment of 0.64 leaves a signal of 0.6 and noise of 0.8.
    const half = (predictionType: 'epsilon' | 'sample' | 'v_prediction') =>
      forwardProcess(scheduleWith({ betaSchedule: 'linear', betaStart: 0.64, predictionType }), 0);
    const rounded = (value: unknown) =>
      JSON.parse(JSON.stringify(value), (_, part) =>
        typeof part === 'number' ? Number(part.toFixed(12)) : part,
      );
    const scales = { signalScale: 0.6, noiseScale: 0.8 };
    expect(rounded(half('epsilon'))).toEqual({
      ...scales,
      target: { originalCoefficient: 0, noiseCoefficient: 1 },
      predOriginalSample: { latentsCoefficient: rounded(1 / 0.6), outputCoefficient: rounded(-0.8 / 0.6) },
    });
    expect(rounded(half('sample'))).toEqual({
      ...scales,
      target: { originalCoefficient: 1, noiseCoefficient: 0 },
      predOriginalSample: { latentsCoefficient: 0, outputCoefficient: 1 },
    });
    expect(rounded(half('v_prediction'))).toEqual({
      ...scales,
      target: { originalCoefficient: -0.8, noiseCoefficient: 0.6 },
      predOriginalSample: { latentsCoefficient: 0.6, outputCoefficient: -0.8 },
    });
    expect(forwardProcess(flowSchedule(), 250)).toEqual({
      signalScale: 0.75,
      noiseScale: 0.25,
      target: { originalCoefficient: -1, noiseCoefficient: 1 },
      predOriginalSample: { latentsCoefficient: 1, outputCoefficient: -0.25 },
    });
  });

  test('should recover the picture from the exact target, whatever the network predicts', () => {
    fc.assert(
      fc.property(arbitrarySchedule, index, real, real, (schedule, i, original, noise) => {
        const { signalScale, noiseScale, target, predOriginalSample } = forwardProcess(
          schedule,
          trainingTimestep(schedule, i),
        );
        const latents = signalScale * original + noiseScale * noise;
        const output = target.originalCoefficient * original + target.noiseCoefficient * noise;
        const { latentsCoefficient, outputCoefficient } = predOriginalSample;
        expect(latentsCoefficient * latents + outputCoefficient * output).toBeCloseTo(original, 10);
      }),
    );
  });

  test.each([
    ['epsilon', 1000, 'an integer in 0..999'],
    ['v_prediction', 12.5, 'an integer in 0..999'],
    ['flow', 0, 'a number in (0, 1000]'],
    ['flow', 1000.5, 'a number in (0, 1000]'],
  ])('should refuse a timestep that %s does not have: %d', (name, timestep, expected) => {
    expect(() => forwardProcess(SCHEDULES[name] as NoiseSchedule, timestep)).toThrow(
      `forward process timestep: expected ${expected}, got ${timestep}.`,
    );
  });
});

describe('trainingTimestep', () => {
  test('should be the index, or the shifted noise level of a flow', () => {
    expect(trainingTimestep(scheduleWith(), 41)).toBe(41);
    expect(trainingTimestep(flowSchedule(), 0)).toBeCloseTo(1, 12);
    expect(trainingTimestep(flowSchedule(), 999)).toBe(1000);
    // shift 3 at sigma 0.5: 1.5 / 2.
    expect(trainingTimestep(flowSchedule({ shift: 3 }), 499)).toBeCloseTo(750, 10);
  });
});
