import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import type { Executable } from '../../../src/models/engines/contract/engine.js';
import type { Graph } from '../../../src/models/graph/graph.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { addLora } from '../../../src/models/graph/weights/lora.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { openDenoiserGraph, timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import type { Tensor } from '../../../src/models/tensor.js';
import { float32, float32Data } from '../../../src/models/tensor.js';
import { directionsNear, dot, slopeAlong } from '../../fixtures/central-slopes.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import {
  openTiny,
  openTinySampler,
  stepsFrom,
  TINY_LORA,
  TINY_SAMPLER,
  TINY_TRAINER,
} from '../../fixtures/open-tiny.js';
import { deadNodes } from '../../fixtures/run-model.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';

const ROW = 3 * 16 * 16;
/** One pair of every step. */
const PAIRS = 5;
const TOLERANCE = 1e-3;

let tiny: OpenTiny;
let graph: Graph;
let executable: Executable;
let forward: Executable;
let feeds: Record<string, Tensor>;
let parameters: NamedArrays;
let gradients: NamedArrays;

/**
 * The loss in float64 after the network: the graph's own is a float32 number, too coarse to take a difference of. The
 * network is the one that samples, before it is lowered; the formula is written out once more.
 */
async function lossAt(moved: NamedArrays): Promise<number> {
  const shaped = Object.entries(moved).map(([name, data]) => [
    name,
    float32(data, (feeds[name] as Tensor).shape),
  ]);
  const inputs = forward.inputs.map(({ name }) => [name, feeds[name]]);
  const outputs = await forward.run({ ...Object.fromEntries(inputs), ...Object.fromEntries(shaped) });
  const output = float32Data(outputs.out_sample, 'out_sample');
  const data = (name: string) => float32Data(feeds[name], name);
  let loss = 0;
  for (let pair = 0; pair < PAIRS; pair++) {
    const value = (name: string) => data(name)[pair] ?? Number.NaN;
    let squares = 0;
    for (let i = pair * ROW; i < (pair + 1) * ROW; i++) {
      const [unconditional, conditional] = [output[i]!, output[i + PAIRS * ROW]!];
      const guided = unconditional + TINY_TRAINER.guidanceScale * (conditional - unconditional);
      const mean = value('sampleCoefficient') * data('sample')[i]! + value('outputCoefficient') * guided;
      squares += (data('nextLatents')[i]! - mean) ** 2;
    }
    const logProb =
      -squares / ROW / (2 * value('stdDevT') ** 2) - Math.log(value('stdDevT')) - 0.5 * Math.log(2 * Math.PI);
    loss -= (value('advantage') * Math.exp(logProb - value('oldLogProb'))) / PAIRS;
  }
  return loss;
}

beforeAll(async () => {
  tiny = await openTiny();
  const { pipeline, engine } = tiny;
  const { sampler, adapters, parameters: sampledWith } = await openTinySampler(tiny);
  parameters = sampledWith;
  const built = await buildPolicyGraph(engine, pipeline, { ...TINY_TRAINER, minibatchSize: PAIRS });
  graph = built.graph;
  executable = await engine.compile(encodeGraph(graph), { label: 'policy graph' });
  const unet = await openDenoiserGraph(engine, pipeline, 2 * PAIRS);
  const { graph: adapted } = addLora(unet, { ...TINY_LORA, form: 'beside' }, 'tiny UNet');
  forward = await engine.compile(encodeGraph(adapted), { label: 'forward graph' });
  const [group] = await sampler.rollout([{ groupIndex: 0, prompt: TINY_PROMPTS[0] ?? '' }], stepsFrom(0));
  const coefficients = stochasticCoefficients(pipeline.schedule, TINY_SAMPLER, stepsFrom(0));
  const { latents, logProbs } = group?.branches[0]?.trajectory ?? {
    latents: new Float32Array(),
    logProbs: new Float32Array(),
  };
  const perStep = (value: (step: StepCoefficients) => number) => float32(coefficients.map(value), [PAIRS]);
  const current = latents.subarray(0, PAIRS * ROW);
  const [empty, prompt] = [await pipeline.embedPrompt(''), await pipeline.embedPrompt(TINY_PROMPTS[0] ?? '')];
  const repeated = (values: Float32Array) => Array.from({ length: PAIRS }, () => [...values]).flat();
  feeds = {
    sample: float32([...current, ...current], [2 * PAIRS, 3, 16, 16]),
    encoder_hidden_states: float32(
      [...repeated(empty), ...repeated(prompt)],
      [2 * PAIRS, ...pipeline.embedsShape],
    ),
    timestep: timestepTensor(
      [...coefficients, ...coefficients].map(({ timestep }) => timestep),
      'float32',
      [2 * PAIRS],
    ),
    nextLatents: float32(latents.slice(ROW), [PAIRS, 3, 16, 16]),
    sampleCoefficient: perStep((step) => step.sampleCoefficient),
    outputCoefficient: perStep((step) => step.outputCoefficient),
    stdDevT: perStep((step) => step.stdDevT),
    // Ratios other than 1, inside the clip range of 0.5.
    oldLogProb: float32(
      logProbs.map((value, i) => value + [0.1, -0.2, 0.3, -0.1, 0.2][i]!),
      [PAIRS],
    ),
    advantage: float32([1, -2, 0.5, 1.5, -1], [PAIRS]),
    weight: float32(new Float32Array(PAIRS).fill(1 / PAIRS), [PAIRS]),
    ...adapterFeeds(adapters, parameters, TINY_LORA.rank),
  };
  const outputs = await executable.run(feeds);
  gradients = Object.fromEntries(
    Object.keys(parameters).map((name) => [name, float32Data(outputs[`gradient:${name}`], name)]),
  );
});
afterAll(() => tiny.close());

describe('buildPolicyGraph', () => {
  it('should have the loss of its ratios', async () => {
    const { loss, ratio } = await executable.run(feeds);
    expect([...float32Data(ratio, 'ratio')].map((value) => value.toFixed(4))).toEqual(
      [-0.1, 0.2, -0.3, 0.1, -0.2].map((difference) => Math.exp(difference).toFixed(4)),
    );
    expect(float32Data(loss, 'loss')[0]).toBeCloseTo(await lossAt(parameters), 6);
  });

  it('should agree with central differences along the gradient and along random directions near it', async () => {
    for (const direction of directionsNear(gradients, 4, 7)) {
      const claimed = dot(gradients, direction);
      expect(Math.abs((await slopeAlong(lossAt, parameters, direction, 0.02)) / claimed - 1)).toBeLessThan(
        TOLERANCE,
      );
    }
  });

  it('should agree with central differences in every parameter, along its own gradient', async () => {
    const errors = [];
    for (const [name, values] of Object.entries(gradients)) {
      const norm = Math.hypot(...values);
      expect(norm, name).toBeGreaterThan(0);
      const along = { [name]: values.map((value) => value / norm) };
      const found = await slopeAlong(lossAt, parameters, along, 0.02);
      errors.push({ name, error: Math.abs(found - norm) / norm });
    }
    expect(errors).toHaveLength(48);
    expect(errors.filter(({ error }) => !(error < TOLERANCE))).toEqual([]);
  });

  it('should depend on B alone where B is zero', async () => {
    const zeroB = Object.fromEntries(
      Object.entries(parameters).map(([name, values]) => [
        name,
        name.endsWith('lora_B') ? values.map(() => 0) : values,
      ]),
    );
    const shaped = Object.entries(zeroB).map(([name, data]) => [
      name,
      float32(data, (feeds[name] as Tensor).shape),
    ]);
    const outputs = await executable.run({ ...feeds, ...Object.fromEntries(shaped) });
    for (const name of Object.keys(zeroB)) {
      const size = Math.hypot(...float32Data(outputs[`gradient:${name}`], name));
      if (name.endsWith('lora_A')) expect(size, name).toBe(0);
      else expect(size, name).toBeGreaterThan(0);
    }
  });

  it('should hold no gradient of a frozen weight, no dead node, and frozen convolutions run backwards as Conv', () => {
    expect(graph.outputs.map(({ name }) => name)).toEqual([
      'loss',
      ...Object.keys(parameters).map((name) => `gradient:${name}`),
      'ratio',
    ]);
    expect(deadNodes(graph)).toEqual([]);
    const transposed = graph.nodes.filter(({ op }) => op === 'ConvTranspose');
    expect(transposed.filter(({ name }) => name.startsWith('/gradient/'))).toEqual([]);
  });
});
