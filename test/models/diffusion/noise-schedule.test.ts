import { describe, expect, test } from 'vitest';
import { scheduleWith } from './schedules.js';

describe('createNoiseSchedule', () => {
  test('should reproduce the cumulative products of Stable Diffusion', () => {
    const { alphasCumprod } = scheduleWith();
    const golden = { 0: 0.99915, 1: 0.998296, 51: 0.950524, 451: 0.345558, 951: 0.008155 };
    for (const [timestep, value] of Object.entries(golden)) {
      expect(Math.abs((alphasCumprod[Number(timestep)] ?? 0) - value)).toBeLessThan(5.1e-7);
    }
  });

  test('should multiply linear increments', () => {
    const { alphasCumprod } = scheduleWith({
      betaSchedule: 'linear',
      numTrainTimesteps: 3,
      betaStart: 0.1,
      betaEnd: 0.3,
    });
    expect(alphasCumprod[0]).toBeCloseTo(0.9, 14);
    expect(alphasCumprod[1]).toBeCloseTo(0.9 * 0.8, 14);
    expect(alphasCumprod[2]).toBeCloseTo(0.9 * 0.8 * 0.7, 14);
  });

  test('should follow the squared cosine, with increments capped at 0.999', () => {
    const { alphasCumprod } = scheduleWith({ betaSchedule: 'squaredcos_cap_v2' });
    const f = (x: number) => Math.cos(((x + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
    for (const t of [0, 1, 499, 900, 998]) expect(alphasCumprod[t]).toBeCloseTo(f((t + 1) / 1000) / f(0), 12);
    // Uncapped, the last product would be 0 and the sampler would divide by it.
    expect(alphasCumprod[999]).toBeCloseTo(0.001 * (alphasCumprod[998] ?? 0), 12);
    expect(alphasCumprod[999]).toBeGreaterThan(0);
  });

  test('should fall strictly for every schedule', () => {
    for (const betaSchedule of ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const) {
      const { alphasCumprod } = scheduleWith({ betaSchedule });
      expect(alphasCumprod.every((value, t) => t === 0 || value < (alphasCumprod[t - 1] ?? 0))).toBe(true);
    }
  });

  test('should end at a clean picture only if the config says so', () => {
    expect(scheduleWith({ setAlphaToOne: true }).finalAlphaCumprod).toBe(1);
    expect(scheduleWith().finalAlphaCumprod).toBe(scheduleWith().alphasCumprod[0]);
  });
});
