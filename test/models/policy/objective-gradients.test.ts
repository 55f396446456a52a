/**
 * @file Gradients of the whole training graph for surrogates of pairs and of the forward process, against central
 * differences of their formulas, written out here in float64 over the network that samples. For steps: policy-graph.test.ts.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StepCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import type { Executable } from '../../../src/models/engines/contract/engine.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { type Adapter, addLora } from '../../../src/models/graph/weights/lora.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { openDenoiserGraph, timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { buildPolicyGraph, type PolicyGraphSettings } from '../../../src/models/policy/policy-graph.js';
import { float32, float32Data, type Tensor } from '../../../src/models/tensor.js';
import { directionsNear, dot, type LossAt, slopeAlong } from '../../fixtures/central-slopes.js';
import {
  type OpenTiny,
  openTiny,
  randomAdapter,
  TINY_LORA,
  TINY_SAMPLER,
  TINY_TRAINER,
} from '../../fixtures/open-tiny.js';
import { randomTensor } from '../../fixtures/run-model.js';

const ROWS = 4;
const SHAPE = [ROWS, 3, 16, 16] as const;
const DIMENSIONS = 3 * 16 * 16;
const TOLERANCE = 1e-3;

let tiny: OpenTiny;
let forward: Executable;
let adapters: readonly Adapter[];
let parameters: NamedArrays;

beforeAll(async () => {
  tiny = await openTiny();
  const unet = await openDenoiserGraph(tiny.engine, tiny.pipeline, 2 * ROWS);
  const adapted = addLora(unet, { ...TINY_LORA, form: 'beside' }, 'tiny UNet');
  ({ adapters } = adapted);
  forward = await tiny.engine.compile(encodeGraph(adapted.graph), { label: 'forward graph' });
  parameters = randomAdapter(adapters, 0.3);
});
afterAll(() => tiny.close());

const feedsOf = (values: NamedArrays) => adapterFeeds(adapters, values, TINY_LORA.rank);
const column = (...values: number[]) => float32(values, [ROWS]);
const changed = (values: NamedArrays, factor: (name: string) => number): NamedArrays =>
  Object.fromEntries(
    Object.entries(values).map(([name, array]) => [name, array.map((value) => value * factor(name))]),
  );
/** Without B the adapter is none. */
const pretrained = () => changed(parameters, (name) => (name.endsWith('lora_B') ? 0 : 1));
const mean = (count: number, value: (i: number) => number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += value(i);
  return sum / count;
};

/** What the network sees: ROWS latents at these timesteps, without and with a prompt. */
function networkFeeds(latents: Float32Array, timesteps: readonly number[]): Record<string, Tensor> {
  const { embedsShape } = tiny.pipeline;
  return {
    sample: float32([...latents, ...latents], [2 * ROWS, 3, 16, 16]),
    encoder_hidden_states: randomTensor(9, [2 * ROWS, ...embedsShape]),
    timestep: timestepTensor([...timesteps, ...timesteps], 'float32', [2 * ROWS]),
  };
}

/** Guided outputs of a policy, [ROWS, C, H, W] in float64. */
async function guided(feeds: Record<string, Tensor>, policy: NamedArrays): Promise<Float64Array> {
  const inputs = forward.inputs.flatMap(({ name }) => (feeds[name] ? [[name, feeds[name]] as const] : []));
  const { out_sample } = await forward.run({ ...Object.fromEntries(inputs), ...feedsOf(policy) });
  const output = float32Data(out_sample, 'out_sample');
  const half = output.length / 2;
  return Float64Array.from({ length: half }, (_, i) => {
    const [unconditional = 0, conditional = 0] = [output[i], output[i + half]];
    return unconditional + TINY_TRAINER.guidanceScale * (conditional - unconditional);
  });
}

/** The graph's loss and gradients. */
async function trained(settings: Partial<PolicyGraphSettings>, feeds: Record<string, Tensor>) {
  const whole = { ...TINY_TRAINER, minibatchSize: ROWS, ...settings };
  const { graph } = await buildPolicyGraph(tiny.engine, tiny.pipeline, whole);
  const executable = await tiny.engine.compile(encodeGraph(graph), { label: 'policy graph' });
  const every = { ...feeds, ...feedsOf(parameters) };
  const inputs = graph.inputs.map(({ name }) => [name, every[name] as Tensor]);
  const outputs = await executable.run(Object.fromEntries(inputs));
  await executable.release();
  const gradients = Object.fromEntries(
    Object.keys(parameters).map((name) => [name, float32Data(outputs[`gradient:${name}`], name)]),
  );
  return { loss: float32Data(outputs.loss, 'loss')[0] ?? Number.NaN, gradients };
}

async function expectSlopes(gradients: NamedArrays, lossAt: LossAt): Promise<void> {
  for (const values of Object.values(gradients)) expect(Math.hypot(...values)).toBeGreaterThan(0);
  for (const direction of directionsNear(gradients, 4, 7)) {
    const slope = await slopeAlong(lossAt, parameters, direction, 0.02);
    expect(Math.abs(slope / dot(gradients, direction) - 1)).toBeLessThan(TOLERANCE);
  }
}

describe('the objective of pairs', () => {
  it('should have the loss and the gradients of D3PO', async () => {
    const [preferenceBeta, clipRange] = [4, 0.5];
    const weights = [0.75, 0.25];
    // Rows 0 and 2 are a pair at step 1, rows 1 and 3 one at step 3.
    const steps = [1, 3, 1, 3].map(
      (step) => stochasticCoefficients(tiny.pipeline.schedule, TINY_SAMPLER, [])[step] as StepCoefficients,
    );
    const latents = randomTensor(1, SHAPE).data;
    const feeds = networkFeeds(
      latents,
      steps.map(({ timestep }) => timestep),
    );
    const [base, reference] = [await guided(feeds, parameters), await guided(feeds, pretrained())];
    const noise = randomTensor(2, SHAPE).data;
    const step = (i: number) => steps[Math.floor(i / DIMENSIONS)] as StepCoefficients;
    const meanOf = (output: Float64Array, i: number) =>
      step(i).sampleCoefficient * (latents[i] ?? 0) + step(i).outputCoefficient * (output[i] ?? 0);
    const nextLatents = latents.map((_, i) => meanOf(base, i) + step(i).stdDevT * (noise[i] ?? 0));
    /** log π of every row, up to what both policies share. */
    const logProbs = (output: Float64Array) =>
      steps.map(
        ({ stdDevT }, row) =>
          -mean(DIMENSIONS, (i) => {
            const at = row * DIMENSIONS + i;
            return ((nextLatents[at] ?? 0) - meanOf(output, at)) ** 2;
          }) /
          (2 * stdDevT ** 2),
      );
    const logRatios = (output: Float64Array) =>
      logProbs(output).map((value, row) => value - (logProbs(reference)[row] ?? 0));
    for (const value of logRatios(base)) {
      expect(Math.abs(value)).toBeGreaterThan(1e-4);
      expect(Math.abs(value)).toBeLessThan(0.3); // inside the band even where the differences are taken
    }
    const lossAt: LossAt = async (policy) => {
      const ratios = logRatios(await guided(feeds, policy));
      return weights.reduce((sum, weight, pair) => {
        const margin = (ratios[pair] ?? 0) - (ratios[pair + 2] ?? 0);
        return sum + weight * Math.log(1 + Math.exp(-preferenceBeta * margin));
      }, 0);
    };
    const { loss, gradients } = await trained(
      { surrogate: { type: 'd3po', preferenceBeta, clipRange } },
      {
        ...feeds,
        nextLatents: float32(nextLatents, SHAPE),
        sampleCoefficient: column(...steps.map((one) => one.sampleCoefficient)),
        outputCoefficient: column(...steps.map((one) => one.outputCoefficient)),
        stdDevT: column(...steps.map((one) => one.stdDevT)),
        oldLogProb: column(0, 0, 0, 0),
        // Those of the rejected rows are not read.
        weight: column(...weights, 77, 77),
      },
    );
    expect(loss).toBeCloseTo(await lossAt(parameters), 5);
    await expectSlopes(gradients, lossAt);
  });
});

describe('the objective of noised pictures', () => {
  it('should have the loss and the gradients of AWM, with both reference policies', async () => {
    const [advantages, weights, noiseScales] = [
      [1, -2, 0.5, 1.5],
      [0.4, 0.1, 0.3, 0.2],
      [0.9, 0.6, 0.4, 0.2],
    ] as const;
    const klWeight = 0.5;
    const feeds = networkFeeds(randomTensor(1, SHAPE).data, [901, 601, 301, 101]);
    const target = randomTensor(3, SHAPE);
    const old = changed(parameters, () => 0.8);
    const [oldOutput, reference] = [await guided(feeds, old), await guided(feeds, pretrained())];
    const errors = (output: Float64Array) =>
      noiseScales.map((_, row) =>
        mean(DIMENSIONS, (i) => {
          const at = row * DIMENSIONS + i;
          return ((output[at] ?? 0) - (target.data[at] ?? 0)) ** 2;
        }),
      );
    const likelihoods = (output: Float64Array) =>
      errors(output).map(
        (error, row) => -4 * ((error + 1e-10) ** 0.25 - 1e-10 ** 0.25) * (noiseScales[row] ?? 0),
      );
    const lossAt: LossAt = async (policy) => {
      const output = await guided(feeds, policy);
      const before = likelihoods(oldOutput);
      return likelihoods(output).reduce((sum, likelihood, row) => {
        const ratio = Math.exp(likelihood - (before[row] ?? 0));
        expect(Math.abs(ratio - 1)).toBeLessThan(1); // never clipped
        const penalty = mean(DIMENSIONS, (i) => {
          const at = row * DIMENSIONS + i;
          return ((output[at] ?? 0) - (reference[at] ?? 0)) ** 2;
        });
        return sum + (weights[row] ?? 0) * (-(advantages[row] ?? 0) * ratio + klWeight * penalty);
      }, 0);
    };
    const { loss, gradients } = await trained(
      {
        surrogate: {
          type: 'awm',
          likelihood: 'ghuber',
          clipRange: 1,
          advClipMax: 5,
          klWeight,
          timestepsPerSample: 1,
        },
      },
      {
        ...feeds,
        ...Object.fromEntries(Object.entries(feedsOf(old)).map(([name, tensor]) => [`old:${name}`, tensor])),
        target,
        noiseScale: column(...noiseScales),
        advantage: column(...advantages),
        weight: column(...weights),
      },
    );
    expect(loss).toBeCloseTo(await lossAt(parameters), 5);
    await expectSlopes(gradients, lossAt);
  });
});
