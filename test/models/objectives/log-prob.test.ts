import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import {
  ddimStep,
  type LogProbKind,
  prevSampleMean,
  stepLogProb,
} from '../../../src/models/diffusion/ddim-step.js';
import { guidedOutput } from '../../../src/models/diffusion/guided-output.js';
import { createNoiseSchedule } from '../../../src/models/diffusion/noise-schedule.js';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import type { Value } from '../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { guide, stepPolicy } from '../../../src/models/objectives/log-prob.js';
import { float32 } from '../../../src/models/tensor.js';
import { largestDifference, randomTensor, runModel } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { TINY_SCHEDULER } from '../../fixtures/tiny-pipeline.js';

const STEPS = 6;
const SHAPE = [STEPS, 3, 4, 4] as const;
const ROW = 3 * 4 * 4;

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const coefficients = samplerCoefficients(createNoiseSchedule(TINY_SCHEDULER), STEPS, 1);
const perStep = (value: (step: StepCoefficients) => number) => float32(coefficients.map(value), [STEPS]);
const row = (data: Float32Array, index: number) => data.subarray(index * ROW, (index + 1) * ROW);

/** One row of every step, from ddimStep: what the sampler stores. */
function sampled() {
  const [latents, modelOutput, noise] = [1, 2, 3].map((seed) => randomTensor(seed, SHAPE)) as [
    ReturnType<typeof randomTensor>,
    ReturnType<typeof randomTensor>,
    ReturnType<typeof randomTensor>,
  ];
  const taken = coefficients.map((step, i) =>
    ddimStep({
      latents: row(latents.data, i),
      modelOutput: row(modelOutput.data, i),
      noise: row(noise.data, i),
      coefficients: step,
      batchSize: 1,
    }),
  );
  const nextLatents = float32(
    taken.flatMap(({ nextLatents: values }) => [...values]),
    SHAPE,
  );
  return { latents, modelOutput, nextLatents, logProbs: taken.map(({ logProb }) => logProb?.[0] ?? 0) };
}

function expression(g: GraphBuilder, logProbKind?: LogProbKind) {
  const whole = (name: string) => g.input(name, 'float32', SHAPE);
  const perPair = (name: string) => g.input(name, 'float32', [STEPS]);
  const modelOutput = whole('modelOutput');
  const step = {
    latents: whole('latents'),
    nextLatents: whole('nextLatents'),
    sampleCoefficient: perPair('sampleCoefficient'),
    outputCoefficient: perPair('outputCoefficient'),
    stdDevT: perPair('stdDevT'),
    logProbKind,
  };
  return stepPolicy(step, modelOutput);
}

const coefficientFeeds = {
  sampleCoefficient: perStep((step) => step.sampleCoefficient),
  outputCoefficient: perStep((step) => step.outputCoefficient),
  stdDevT: perStep((step) => step.stdDevT),
};

describe('stepPolicy', () => {
  it('should be what the sampler stored, at every step', async () => {
    const { logProbs, ...tensors } = sampled();
    const g = new GraphBuilder();
    g.output(expression(g).logProb, 'logProb');
    const { logProb } = await runModel(engine, g.build(), { ...tensors, ...coefficientFeeds });
    for (const [step, value] of logProbs.entries())
      expect(Math.abs((logProb?.[step] ?? Number.NaN) - value)).toBeLessThan(1e-5);
  });

  it('should be minus the squared distance to the mean, where ratios compare that', async () => {
    const { logProbs: _, ...tensors } = sampled();
    const g = new GraphBuilder();
    g.output(expression(g, 'squared-distance').logProb, 'logProb');
    const { logProb } = await runModel(engine, g.build(), { ...tensors, ...coefficientFeeds });
    for (const [index, step] of coefficients.entries()) {
      const mean = prevSampleMean(
        row(tensors.latents.data, index),
        row(tensors.modelOutput.data, index),
        step,
      );
      const next = row(tensors.nextLatents.data, index);
      const expected = -next.reduce((sum, value, i) => sum + (value - (mean[i] ?? 0)) ** 2, 0) / ROW;
      expect(logProb?.[index]).toBeCloseTo(expected, 6);
    }
  });

  it('should have the mean of the sampler, and the output that it is given', async () => {
    const { logProbs: _, ...tensors } = sampled();
    const g = new GraphBuilder();
    const policy = expression(g);
    expect(policy.modelOutput.name).toBe('modelOutput');
    g.output(policy.mean, 'mean');
    const { mean } = await runModel(engine, g.build(), { ...tensors, ...coefficientFeeds });
    for (const [index, step] of coefficients.entries()) {
      const expected = prevSampleMean(
        row(tensors.latents.data, index),
        row(tensors.modelOutput.data, index),
        step,
      );
      expect(largestDifference(row(mean as Float32Array, index), expected)).toBeLessThan(1e-6);
    }
  });

  it('should have the slope (x - μ) k / (σ² D) in the output of the network', async () => {
    const { logProbs: _, ...tensors } = sampled();
    const g = new GraphBuilder();
    const { logProb, modelOutput } = expression(g);
    g.output(gradients(g, logProb.sumAll(), [modelOutput])[0] as Value, 'slope');
    const { slope } = await runModel(engine, g.build(), { ...tensors, ...coefficientFeeds });
    const expected = Float32Array.from(tensors.nextLatents.data, (next, i) => {
      const step = coefficients[Math.floor(i / ROW)] as StepCoefficients;
      const mean =
        step.sampleCoefficient * (tensors.latents.data[i] ?? 0) +
        step.outputCoefficient * (tensors.modelOutput.data[i] ?? 0);
      return ((next - mean) * step.outputCoefficient) / (step.stdDevT ** 2 * ROW);
    });
    for (const index of coefficients.keys())
      expect(largestDifference(row(slope as Float32Array, index), row(expected, index))).toBeLessThan(1e-4);
  });

  it('should tell apart what stepLogProb tells apart: another mean, another σ', () => {
    const mean = randomTensor(4, [1, ROW]).data;
    const next = mean.map((value) => value + 0.1);
    const [sharp, wide] = [0.1, 0.5].map((stdDevT) => stepLogProb(next, mean, stdDevT, 1)[0] ?? 0);
    expect(sharp).toBeCloseTo(-0.5 - Math.log(0.1) - 0.5 * Math.log(2 * Math.PI), 5);
    expect(wide).toBeCloseTo(-0.02 - Math.log(0.5) - 0.5 * Math.log(2 * Math.PI), 5);
  });
});

describe('guide', () => {
  it.each([1.5, 2, 7.5])('should be guidedOutput at scale %d', async (scale) => {
    const output = randomTensor(5, [4, 3, 2, 2]);
    const g = new GraphBuilder();
    g.output(guide(g.input('output', 'float32', output.shape), scale), 'guided');
    const { guided } = await runModel(engine, g.build(), { output });
    const half = output.data.length / 2;
    const expected = guidedOutput(output.data.subarray(0, half), output.data.subarray(half), scale);
    expect(largestDifference(guided as Float32Array, expected)).toBeLessThan(1e-6);
  });

  it.each([1, 0.5, 0])('should be the output itself at scale %d, which does not guide', (scale) => {
    const g = new GraphBuilder();
    const output = g.input('output', 'float32', [4, 3]);
    expect(guide(output, scale)).toBe(output);
  });
});
