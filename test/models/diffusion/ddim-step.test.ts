import { describe, expect, test } from 'vitest';
import { ddimStep, stepKl, stepLogProb } from '../../../src/models/diffusion/ddim-step.js';
import {
  type StepCoefficients,
  samplerCoefficients,
} from '../../../src/models/diffusion/step-coefficients.js';
import { roundToFloat16 } from '../../../src/models/numeric/float16.js';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import { scheduleWith } from './schedules.js';

const STEPS = samplerCoefficients(scheduleWith(), 20, 1);
const D = 16384;
const draw = (group: number, count = D) =>
  counterRandom({ seed: 1, purpose: 'step-noise', group }).normal(count);
const stepAt = (i: number): StepCoefficients => {
  const step = STEPS[i];
  if (step === undefined) throw new Error(`no step ${i}`);
  return step;
};

describe('ddimStep', () => {
  test.each([
    [0, -0.9795],
    [10, -0.5065],
    [18, 1.7851],
    [19, 2.4612],
  ])('should give a fresh sample the expected log-prob at step %d', (i, expected) => {
    const coefficients = stepAt(i);
    const rows = 8;
    const { logProb } = ddimStep({
      latents: draw(1, rows * D),
      modelOutput: draw(2, rows * D),
      noise: draw(3, rows * D),
      coefficients,
      batchSize: rows,
    });
    expect(logProb).toHaveLength(rows);
    // The mean over 16384 dimensions has standard deviation 0.0055; five of them.
    for (const value of logProb ?? []) expect(Math.abs(value - expected)).toBeLessThan(0.0276);
    const expectation = -Math.log(coefficients.stdDevT) - 0.5 * Math.log(2 * Math.PI) - 0.5;
    expect(expectation).toBeCloseTo(expected, 4);
  });

  test('should match the formula written out for one value', () => {
    const [x, output, noise, eta] = [0.3, -0.8, 1.7, 0.6];
    const step = samplerCoefficients(scheduleWith(), 20, eta)[7];
    if (step === undefined) throw new Error('no step 7');
    const { alphaProdT: at, alphaProdPrev: ap } = step;
    const sigma = eta * Math.sqrt(((1 - ap) / (1 - at)) * (1 - at / ap));
    const clean = (x - Math.sqrt(1 - at) * output) / Math.sqrt(at);
    const mean = Math.sqrt(ap) * clean + Math.sqrt(1 - ap - sigma ** 2) * output;
    const single = (value: number) => Float32Array.of(value);
    const result = ddimStep({
      latents: single(x),
      modelOutput: single(output),
      noise: single(noise),
      coefficients: step,
      batchSize: 1,
    });
    expect(result.prevSampleMean[0]).toBeCloseTo(mean, 6);
    expect(result.nextLatents[0]).toBeCloseTo(mean + sigma * noise, 6);
    const logProb = -(noise ** 2) / 2 - Math.log(sigma) - 0.5 * Math.log(2 * Math.PI);
    expect(result.logProb?.[0]).toBeCloseTo(logProb, 5);
  });

  test('should give the log-prob of each row on its own, as a mean over dimensions', () => {
    const mean = Float32Array.of(0, 0, 0, 0);
    const logProb = stepLogProb(Float32Array.of(0.5, 0.5, 0.5, -1.5), mean, 0.5, 2);
    const constant = -Math.log(0.5) - 0.5 * Math.log(2 * Math.PI);
    expect(logProb[0]).toBeCloseTo(-0.5 + constant, 6);
    expect(logProb[1]).toBeCloseTo(-(0.5 + 4.5) / 2 + constant, 6);
  });

  test('should be the mean alone where the step is deterministic', () => {
    const coefficients = samplerCoefficients(scheduleWith(), 20, 0)[3];
    if (coefficients === undefined) throw new Error('no step 3');
    const result = ddimStep({
      latents: draw(1),
      modelOutput: draw(2),
      noise: null,
      coefficients,
      batchSize: 1,
    });
    expect(result.nextLatents).toEqual(result.prevSampleMean);
    expect(result.logProb).toBeNull();
  });

  test.each([0, 10, 18, 19])('should make the ratio of a replayed float16 latent 1 at step %d', (i) => {
    const coefficients = stepAt(i);
    const result = ddimStep({
      latents: draw(1),
      modelOutput: draw(2),
      noise: draw(3),
      coefficients,
      batchSize: 1,
      storage: 'float16',
    });
    const stored = result.nextLatents.map(roundToFloat16);
    expect(stored).toEqual(result.nextLatents);
    const replayed = stepLogProb(stored, result.prevSampleMean, coefficients.stdDevT, 1);
    expect(replayed[0]).toBe(result.logProb?.[0]);
  });

  test('should recover the clean picture when the network knows the noise', () => {
    const clean = draw(5);
    let latents = draw(6);
    for (const coefficients of samplerCoefficients(scheduleWith({ setAlphaToOne: true }), 20, 0)) {
      const { alphaProdT } = coefficients;
      const modelOutput = latents.map(
        (value, i) => (value - Math.sqrt(alphaProdT) * (clean[i] ?? 0)) / Math.sqrt(1 - alphaProdT),
      );
      latents = ddimStep({ latents, modelOutput, noise: null, coefficients, batchSize: 1 }).nextLatents;
    }
    expect(Math.max(...latents.map((value, i) => Math.abs(value - (clean[i] ?? 0))))).toBeLessThan(1e-4);
  });

  test('should refuse arrays that do not belong together', () => {
    const coefficients = stepAt(3);
    const latents = draw(1, 8);
    const step = (changes: object) => () =>
      ddimStep({ latents, modelOutput: latents, noise: latents, coefficients, batchSize: 2, ...changes });
    expect(step({ modelOutput: draw(1, 4) })).toThrow('modelOutput: expected 8 values');
    expect(step({ noise: null })).toThrow('noise: expected 8 values');
    expect(step({ batchSize: 3 })).toThrow('batchSize: expected a divisor of 8 values, got 3');
  });
});

describe('stepKl', () => {
  test('should equal the KL of the two Gaussians whose means the outputs give', () => {
    const coefficients = stepAt(18);
    const [latents, older, newer] = [draw(1, 64), draw(2, 64), draw(3, 64)];
    const meanOf = (modelOutput: Float32Array) =>
      ddimStep({ latents, modelOutput, noise: latents, coefficients, batchSize: 2 }).prevSampleMean;
    const [oldMean, newMean] = [meanOf(older), meanOf(newer)];
    const kl = stepKl(newer, older, coefficients, 2);
    for (const row of [0, 1]) {
      let expected = 0;
      for (let i = row * 32; i < row * 32 + 32; i++) {
        expected += ((newMean[i] ?? 0) - (oldMean[i] ?? 0)) ** 2 / (2 * coefficients.stdDevT ** 2);
      }
      expect((kl[row] ?? 0) / expected).toBeCloseTo(1, 5);
    }
    expect(stepKl(older, older, coefficients, 2)).toEqual(Float32Array.of(0, 0));
  });
});
