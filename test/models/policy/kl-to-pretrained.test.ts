/** @file The exact KL of a step to the pretrained model, out of a training graph that holds the model once. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guidedOutput } from '../../../src/models/diffusion/guided-output.js';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import type { Graph } from '../../../src/models/graph/graph.js';
import type { Adapter } from '../../../src/models/graph/weights/lora.js';
import { addLora } from '../../../src/models/graph/weights/lora.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { openDenoiserGraph, timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { buildPolicyGraph, type PolicyGraphSettings } from '../../../src/models/policy/policy-graph.js';
import { elementCount, float32 } from '../../../src/models/tensor.js';
import {
  type OpenTiny,
  openTiny,
  openTinyTrainer,
  randomAdapter,
  TINY_LORA,
  TINY_SAMPLER,
  TINY_TRAINER,
} from '../../fixtures/open-tiny.js';
import { deadNodes, randomTensor, runModel } from '../../fixtures/run-model.js';
import { sampleTiny, stageOf, untrained } from '../../fixtures/sample-tiny.js';

/** One row of every step. */
const ROWS = 5;
const DIMENSIONS = 3 * 16 * 16;

let tiny: OpenTiny;
let adapters: readonly Adapter[];
let measuring: Graph;
beforeAll(async () => {
  tiny = await openTiny();
  ({ graph: measuring, adapters } = await build({ measureKl: true }));
});
afterAll(() => tiny.close());

const build = (settings: Partial<PolicyGraphSettings>) =>
  buildPolicyGraph(tiny.engine, tiny.pipeline, { ...TINY_TRAINER, minibatchSize: ROWS, ...settings });

function feedsOf(parameters: NamedArrays) {
  const { pipeline } = tiny;
  const coefficients = stochasticCoefficients(pipeline.schedule, TINY_SAMPLER, []);
  const perStep = (value: (step: StepCoefficients) => number) => float32(coefficients.map(value), [ROWS]);
  const latents = randomTensor(1, [ROWS, 3, 16, 16]).data;
  const timesteps = coefficients.map(({ timestep }) => timestep);
  return {
    sample: float32([...latents, ...latents], [2 * ROWS, 3, 16, 16]),
    encoder_hidden_states: randomTensor(2, [2 * ROWS, ...pipeline.embedsShape]),
    timestep: timestepTensor([...timesteps, ...timesteps], 'float32', [2 * ROWS]),
    nextLatents: randomTensor(3, [ROWS, 3, 16, 16]),
    sampleCoefficient: perStep((step) => step.sampleCoefficient),
    outputCoefficient: perStep((step) => step.outputCoefficient),
    stdDevT: perStep((step) => step.stdDevT),
    oldLogProb: float32(new Float32Array(ROWS), [ROWS]),
    advantage: float32(new Float32Array(ROWS), [ROWS]),
    weight: float32(new Float32Array(ROWS), [ROWS]),
    ...adapterFeeds(adapters, parameters, TINY_LORA.rank),
  };
}
const klOf = async (parameters: NamedArrays) => [
  ...((await runModel(tiny.engine, measuring, feedsOf(parameters))).klToPretrained ?? []),
];

const isOnes = (data: Float32Array) => data.every((value) => value === 1);

describe('klToPretrained', () => {
  it('should be zero for a fresh adapter', async () => {
    expect(await klOf(initialParameters(adapters, TINY_LORA, 3))).toEqual(new Array(ROWS).fill(0));
  });

  it('should be D W / 2 times the mean squared difference of the guided outputs, in every row', async () => {
    const parameters = randomAdapter(adapters, 0.3);
    const feeds = feedsOf(parameters);
    const unet = await openDenoiserGraph(tiny.engine, tiny.pipeline, 2 * ROWS);
    const { graph: adapted } = addLora(unet, { ...TINY_LORA, form: 'beside' }, 'tiny UNet');
    const guided = async (graph: Graph) => {
      const { out_sample: output = new Float32Array() } = await runModel(tiny.engine, graph, feeds);
      const half = output.length / 2;
      return guidedOutput(output.subarray(0, half), output.subarray(half), TINY_TRAINER.guidanceScale);
    };
    const [policy, pretrained] = [await guided(adapted), await guided(unet)];
    const kls = await klOf(parameters);
    for (const [row, { klWeight }] of stochasticCoefficients(
      tiny.pipeline.schedule,
      TINY_SAMPLER,
      [],
    ).entries()) {
      let squares = 0;
      for (let i = row * DIMENSIONS; i < (row + 1) * DIMENSIONS; i++)
        squares += ((policy[i] ?? 0) - (pretrained[i] ?? 0)) ** 2;
      expect((kls[row] ?? Number.NaN) / ((klWeight / 2) * squares)).toBeCloseTo(1, 4);
      expect(kls[row]).toBeGreaterThan(0.1);
    }
  });

  it('should be left out where it is not measured, and where steps have no part in the training', async () => {
    const outputsOf = async (settings: Partial<PolicyGraphSettings>) =>
      (await build(settings)).graph.outputs
        .map(({ name }) => name)
        .filter((name) => !name.startsWith('gradient:'));
    expect(await outputsOf({})).toEqual(['loss', 'ratio']);
    expect(await outputsOf({ measureKl: true })).toEqual(['loss', 'ratio', 'klToPretrained']);
    const penalized = { type: 'grpo', clipRange: 0.1, advClipMax: 5, klWeight: 0.1 } as const;
    expect(await outputsOf({ surrogate: penalized })).toEqual(['loss', 'ratio', 'klToPretrained']);
    const denoising = { type: 'sft', form: 'kl-d', gamma: 1, timestepsPerSample: 1 } as const;
    expect(await outputsOf({ surrogate: denoising, measureKl: true })).toEqual(['loss']);
  });

  it('should come out of a round as the mean over its rows', async () => {
    const { samples, state } = await sampleTiny(tiny);
    const measured = await openTinyTrainer(tiny, { measureKl: true });
    const fresh = untrained(initialParameters(adapters, TINY_LORA, 3));
    expect((await measured.train(stageOf(samples), fresh)).statistics.klToPretrained).toBe(0);
    const [one, same] = [await measured, await openTinyTrainer(tiny, { measureKl: true, minibatchSize: 5 })];
    const first = (await one.train(stageOf(samples), state)).statistics;
    const second = (await same.train(stageOf(samples), state)).statistics;
    expect(first.klToPretrained).toBeGreaterThan(0.1);
    expect((second.klToPretrained ?? 0) / (first.klToPretrained ?? 1)).toBeCloseTo(1, 5);
    const silent = await openTinyTrainer(tiny);
    const { statistics, state: after } = await silent.train(stageOf(samples), state);
    expect(statistics.klToPretrained).toBeNull();
    // To measure is not to train.
    expect(statistics.gradNorm / first.gradNorm).toBeCloseTo(1, 5);
    expect(after.optimizer.step).toBe(1);
  });
});

describe('the training graph with reference policies', () => {
  it('should hold no weight twice', async () => {
    const { graph: plain } = await build({});
    const surrogate = {
      type: 'diffusion-nft',
      mixtureBeta: 1,
      advClipMax: 5,
      klWeight: 0.1,
      timestepsPerSample: 1,
    };
    const both = await build({ surrogate: surrogate as PolicyGraphSettings['surrogate'] });
    expect(both.references).toEqual(['old', 'pretrained']);
    const guard = { type: 'grpo-guard', clipRange: 0.1, advClipMax: 5 } as const;
    const steps = await build({ surrogate: guard, measureKl: true });
    expect(steps.references).toEqual(['old', 'pretrained']);
    // Differentiated normalisations have scales of ones, one a pass; they are constants of the graph, not of the model.
    const weightBytes = ({ initializers }: Graph) =>
      [...initializers.values()]
        .filter(
          ({ type, shape, data }) => type === 'float32' && shape.length > 0 && !isOnes(data as Float32Array),
        )
        .reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
    expect(weightBytes(plain)).toBeGreaterThan(10_000);
    for (const { graph } of [both, steps]) {
      expect(weightBytes(graph)).toBe(weightBytes(plain));
      expect(deadNodes(graph)).toEqual([]);
    }
  });

  it('should take the old policy as inputs of their own, without gradients', async () => {
    const guard = { type: 'grpo-guard', clipRange: 0.1, advClipMax: 5 } as const;
    const { graph } = await build({ surrogate: guard });
    const parameters = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
    const inputs = graph.inputs.map(({ name }) => name);
    expect(inputs).toEqual(
      expect.arrayContaining([...parameters, ...parameters.map((name) => `old:${name}`)]),
    );
    expect(graph.outputs.map(({ name }) => name)).toEqual([
      'loss',
      ...parameters.map((name) => `gradient:${name}`),
      'ratio',
    ]);
  });
});
