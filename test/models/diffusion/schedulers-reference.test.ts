/** @file The samplers and the forward process against diffusers; the fixture is made by tools/reference/schedulers.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { flowSigmas } from '../../../src/models/diffusion/flow-schedule.js';
import { forwardProcess, trainingTimestep } from '../../../src/models/diffusion/forward-process.js';
import type { PredictionType, TimestepSpacing } from '../../../src/models/diffusion/scheduler-config.js';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { noisySteps } from '../../../src/models/diffusion/stochastic-steps.js';
import { flowSchedule, scheduleWith } from './schedules.js';

interface ReferenceStep {
  readonly timestep: number;
  readonly latents: number;
  readonly prevSample: number;
}

interface Reference {
  readonly original: number;
  readonly noise: number;
  readonly stepNoise: number;
  readonly output: number;
  readonly ddim: readonly {
    readonly predictionType: PredictionType;
    readonly timestepSpacing: TimestepSpacing;
    readonly stepsOffset: number;
    readonly setAlphaToOne: boolean;
    readonly zeroTerminalSnr?: boolean;
    readonly eta: number;
    readonly steps: readonly (ReferenceStep & {
      readonly velocity: number;
      readonly predOriginalSample: number;
    })[];
  }[];
  readonly flow: readonly {
    readonly numTrainTimesteps: number;
    readonly shift: number;
    readonly sigmas: readonly number[];
    readonly trainingTimesteps: Readonly<Record<string, number>>;
    readonly steps: readonly ReferenceStep[];
  }[];
}

const { original, noise, stepNoise, output, ddim, flow } = JSON.parse(
  readFileSync('test/fixtures/schedulers.json', 'utf8'),
) as Reference;

/** diffusers computes in single precision, and divides by a signal of 0.07 at the noisiest steps. */
const near = (found: number | undefined, expected: number) =>
  expect(Math.abs((found ?? Number.NaN) - expected)).toBeLessThan(2e-5 * (1 + Math.abs(expected)));

describe('samplers and forward process, against diffusers', () => {
  test.each(ddim)(
    'DDIM: $predictionType, $timestepSpacing, set_alpha_to_one $setAlphaToOne, zero SNR $zeroTerminalSnr, eta $eta',
    ({ eta, steps, ...config }) => {
      const schedule = scheduleWith(config);
      const coefficients = samplerCoefficients(schedule, steps.length, eta);
      steps.forEach((expected, i) => {
        const step = coefficients[i];
        if (!step) throw new Error(`no step ${i}`);
        const { timestep, sampleCoefficient: a, outputCoefficient: k, stdDevT } = step;
        expect(timestep).toBe(expected.timestep);
        expect(stdDevT > 0).toBe(eta > 0 && (i < steps.length - 1 || !config.setAlphaToOne));
        near(a * expected.latents + k * output + stdDevT * stepNoise, expected.prevSample);

        const { signalScale, noiseScale, target, predOriginalSample } = forwardProcess(schedule, timestep);
        near(signalScale * original + noiseScale * noise, expected.latents);
        const { latentsCoefficient, outputCoefficient } = predOriginalSample;
        near(latentsCoefficient * expected.latents + outputCoefficient * output, expected.predOriginalSample);
        const wanted = { epsilon: noise, sample: original, v_prediction: expected.velocity };
        near(
          target.originalCoefficient * original + target.noiseCoefficient * noise,
          wanted[config.predictionType],
        );
      });
    },
  );

  test('should leave nothing of the picture at the last timestep of a zero-SNR schedule, and train from there', () => {
    const schedule = scheduleWith({
      zeroTerminalSnr: true,
      predictionType: 'v_prediction',
      timestepSpacing: 'trailing',
    });
    expect(schedule.alphasCumprod[999]).toBe(0);
    expect(schedule.alphasCumprod[0]).toBeCloseTo(scheduleWith().alphasCumprod[0] ?? 0, 12);
    const [first] = samplerCoefficients(schedule, 20, 1);
    const alphaProdPrev = schedule.alphasCumprod[949] ?? 0;
    // With eta 1 the mean is all of what the network says of the picture, and the rest is fresh noise.
    expect(first?.timestep).toBe(999);
    expect(first?.sampleCoefficient).toBeCloseTo(0, 6);
    expect(first?.outputCoefficient).toBeCloseTo(-Math.sqrt(alphaProdPrev), 12);
    expect(first?.stdDevT).toBeCloseTo(Math.sqrt(1 - alphaProdPrev), 12);
    expect(noisySteps(schedule, 20)).toBe(20);
    const { signalScale, predOriginalSample } = forwardProcess(schedule, 999);
    expect(signalScale).toBe(0);
    expect(predOriginalSample).toEqual({ latentsCoefficient: 0, outputCoefficient: -1 });
  });

  test.each(flow)('flow: $numTrainTimesteps timesteps, shift $shift', ({ sigmas, steps, ...config }) => {
    const schedule = flowSchedule(config);
    const found = flowSigmas(schedule, steps.length);
    expect(found).toHaveLength(sigmas.length);
    sigmas.forEach((sigma, i) => {
      near(found[i], sigma);
    });
    const coefficients = samplerCoefficients(schedule, steps.length, 0);
    steps.forEach((expected, i) => {
      const step = coefficients[i];
      if (!step) throw new Error(`no step ${i}`);
      near(step.timestep, expected.timestep);
      near(step.sampleCoefficient * expected.latents + step.outputCoefficient * output, expected.prevSample);
      const { signalScale, noiseScale } = forwardProcess(schedule, step.timestep);
      near(signalScale * original + noiseScale * noise, expected.latents);
    });
    for (const [index, timestep] of Object.entries(config.trainingTimesteps)) {
      near(trainingTimestep(schedule, Number(index)), timestep);
    }
  });
});
