/** @file The samplers and the forward process against diffusers; the fixture is made by tools/reference/schedulers.py. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { flowSigmas } from '../../../src/models/diffusion/flow-schedule.js';
import { forwardProcess, trainingTimestep } from '../../../src/models/diffusion/forward-process.js';
import { createNoiseSchedule, isFlow } from '../../../src/models/diffusion/noise-schedule.js';
import type { PredictionType, TimestepSpacing } from '../../../src/models/diffusion/scheduler-config.js';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { noisySteps } from '../../../src/models/diffusion/stochastic-steps.js';
import { NO_CORRECTIONS } from '../../../src/models/pipeline/scheduler/pipeline-corrections.js';
import { readSchedulerConfig } from '../../../src/models/pipeline/scheduler/read-scheduler-config.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
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
    /** A scheduler_config.json. */
    readonly settings: Readonly<Record<string, unknown>>;
    readonly imageTokens: number | null;
    readonly sigmas: readonly number[];
    readonly trainingTimesteps: Readonly<Record<string, number>>;
    readonly steps: readonly ReferenceStep[];
  }[];
}

const { original, noise, stepNoise, output, ddim, flow } = JSON.parse(
  readFileSync('test/fixtures/schedulers.json', 'utf8'),
) as Reference;

/** diffusers computes in single precision, and divides by a signal of 0.07 at the noisiest steps. */
const near = (found: number | undefined, expected: number, tolerance = 2e-5) =>
  expect(Math.abs((found ?? Number.NaN) - expected)).toBeLessThan(tolerance * (1 + Math.abs(expected)));

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

  test.each(flow.map((one) => [JSON.stringify(one.settings), one.imageTokens, one] as const))(
    'flow: %s, %s tokens',
    async (file, imageTokens, { sigmas, steps, trainingTimesteps }) => {
      const path = join(await temporaryFolder(), 'scheduler_config.json');
      await writeFile(path, file);
      const schedulerClass = 'FlowMatchEulerDiscreteScheduler';
      const config = await readSchedulerConfig(path, { ...NO_CORRECTIONS, schedulerClass });
      const schedule = createNoiseSchedule(config, imageTokens ?? undefined);
      if (!isFlow(schedule)) throw new Error('expected a flow');
      const found = flowSigmas(schedule, steps.length);
      expect(found).toHaveLength(sigmas.length);
      sigmas.forEach((sigma, i) => {
        near(found[i], sigma, 1e-6);
      });
      const coefficients = samplerCoefficients(schedule, steps.length, 0);
      steps.forEach((expected, i) => {
        const step = coefficients[i];
        if (!step) throw new Error(`no step ${i}`);
        near(step.timestep, expected.timestep, 1e-6);
        near(
          step.sampleCoefficient * expected.latents + step.outputCoefficient * output,
          expected.prevSample,
          1e-6,
        );
        const { signalScale, noiseScale } = forwardProcess(schedule, step.timestep);
        near(signalScale * original + noiseScale * noise, expected.latents, 1e-6);
      });
      for (const [index, timestep] of Object.entries(trainingTimesteps)) {
        near(trainingTimestep(schedule, Number(index)), timestep, 1e-6);
      }
    },
  );

  test('should train where it samples with a dynamic shift', () => {
    const dynamicShift = {
      type: 'linear',
      baseShift: 1,
      maxShift: 3,
      baseTokens: 10,
      maxTokens: 20,
    } as const;
    const schedule = flowSchedule({ dynamicShift, imageTokens: 15 });
    expect(schedule.shift).toBe(2);
    expect(trainingTimestep(schedule, 499)).toBeCloseTo((1000 * 2 * 0.5) / 1.5, 9);
  });

  test('should take a single step from pure noise whatever the terminal shift and the spacing', () => {
    expect(flowSigmas(flowSchedule({ shiftTerminal: 0.1, sigmaSpacing: 'beta' }), 1)).toEqual([1, 0]);
  });

  test('should refuse a dynamic shift without tokens, and one beyond what noise levels can tell apart', () => {
    const dynamicShift = {
      type: 'exponential',
      baseShift: 0.5,
      maxShift: 1.15,
      baseTokens: 256,
      maxTokens: 4096,
    } as const;
    expect(() => flowSchedule({ dynamicShift })).toThrow(
      'use_dynamic_shifting: expected false for a network that has no tokens to count, got true',
    );
    expect(() => flowSchedule({ dynamicShift, imageTokens: 65_536 })).toThrow(
      'expected a shift in [0.001, 1000] for pictures of 65536 tokens, got 103777',
    );
  });
});
