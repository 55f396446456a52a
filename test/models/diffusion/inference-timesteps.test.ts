import { describe, expect, test } from 'vitest';
import { inferenceTimesteps } from '../../../src/models/diffusion/inference-timesteps.js';
import { scheduleWith } from './schedules.js';

const timesteps = (spacing: 'leading' | 'trailing' | 'linspace', numInferenceSteps: number) =>
  inferenceTimesteps(scheduleWith({ timestepSpacing: spacing }), numInferenceSteps).map(
    ({ timestep }) => timestep,
  );

describe('inferenceTimesteps', () => {
  test('should space 20 leading steps by 50, each the predecessor of the one before', () => {
    const steps = inferenceTimesteps(scheduleWith(), 20);
    expect(steps[0]).toEqual({ stepIndex: 0, timestep: 951, prevTimestep: 901 });
    expect(steps[18]).toEqual({ stepIndex: 18, timestep: 51, prevTimestep: 1 });
    expect(steps[19]).toEqual({ stepIndex: 19, timestep: 1, prevTimestep: -49 });
    for (let i = 1; i < steps.length; i++) expect(steps[i]?.timestep).toBe(steps[i - 1]?.prevTimestep);
  });

  test('should floor the stride where the steps do not divide the schedule', () => {
    expect(timesteps('leading', 30)[0]).toBe(958);
    expect(timesteps('leading', 50).slice(0, 2)).toEqual([981, 961]);
  });

  test('should start trailing and linspace spacing at the last timestep', () => {
    // numpy: np.round(np.arange(1000, 0, -1000 / 8)) - 1 and np.linspace(0, 999, 8).round()[::-1]
    expect(timesteps('trailing', 8)).toEqual([999, 874, 749, 624, 499, 374, 249, 124]);
    expect(timesteps('linspace', 8)).toEqual([999, 856, 714, 571, 428, 285, 143, 0]);
  });

  test('should round halves to even, as numpy does', () => {
    // 16 steps: 1000 / 16 = 62.5, and np.round(62.5) is 62.
    expect(timesteps('trailing', 16).at(-1)).toBe(61);
    expect(timesteps('trailing', 16).at(-3)).toBe(187); // 187.5 -> 188
    expect(timesteps('linspace', 3)).toEqual([999, 500, 0]); // 499.5 -> 500
  });

  test.each([0, 2.5, 1001])('should refuse %d steps', (numInferenceSteps) => {
    expect(() => inferenceTimesteps(scheduleWith(), numInferenceSteps)).toThrow(
      `numInferenceSteps: expected an integer in 1..1000, got ${numInferenceSteps}.`,
    );
  });

  test('should refuse an offset that leaves the schedule', () => {
    expect(() => inferenceTimesteps(scheduleWith(), 1000)).toThrow(
      expect.objectContaining({ code: 'TRIB_CONFIG' }),
    );
  });
});
