/**
 * @file Policies in half precision, on the CPU with the rounding of a device (test/fixtures/emulated-half.ts), compared with
 * PyTorch's autograd in single precision and against this program in single precision.
 *
 * The bounds. A number of half precision is off by 2^-11 = 5e-4 at most, and a UNet rounds some hundred times between input
 * and output; errors of either sign mostly cancel. Outputs and ratios must be within 1e-2 as vectors. Gradients are off by
 * 1.3e-2 to 2.3e-2, whatever the scale of the loss (docs/gpu.md); their bound was chosen after that had been seen. What this
 * is to find, a cast that is missing, a scale that is left in, an activation that overflows or vanishes, is off by 1 and
 * more.
 */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import type { Graph, Precision } from '../../../src/models/graph/graph.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { elementCount, float32, float32Data, type Tensor } from '../../../src/models/tensor.js';
import { compileHalf, emulatedHalf } from '../../fixtures/emulated-half.js';
import { randomAdapter } from '../../fixtures/open-tiny.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const BOUND = 1e-2;
const GRADIENT_BOUND = 5e-2;
const SCALE = 1024;

/** |a - b| / |b|, as vectors. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.NaN;
  let [error, size] = [0, 0];
  expected.forEach((value, i) => {
    error += ((found[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(error / size);
}

/** Nodes of the surrogate and of its derivative, by the scope that they are made under. */
const isObjective = (name: string) => /^(\/gradient)?\/objective\//.test(name);

/** What must hold of the types of a training graph in half precision. */
function expectTypes(graph: Graph): void {
  for (const { name, op, inputs, outputs } of graph.nodes) {
    const types = [...inputs, ...outputs].map((value) => value?.type);
    if (isObjective(name) && op !== 'Cast') expect(types, name).not.toContain('float16');
    if (/^(MatMul|Gemm|Conv|ConvTranspose)$/.test(op)) expect(types, name).not.toContain('float32');
    if (/^(Softmax|LayerNormalization|Exp|Log|ReduceSum|ReduceMean)$/.test(op))
      expect(types, name).not.toContain('float16');
  }
  const casts = graph.nodes.filter(({ op }) => op === 'Cast');
  const written = casts.map(
    ({ inputs, outputs }) =>
      `${inputs[0]?.name} ${outputs[0]?.type} ${outputs[0]?.name.endsWith('_restored')}`,
  );
  expect(new Set(written).size).toBe(written.length);
  for (const { name, type } of [...graph.inputs, ...graph.outputs]) expect(type, name).not.toBe('float16');
}

describe.each(['sd1', 'sd2', 'sdxl'])('Stable Diffusion in half precision: %s', (name) => {
  const folder = `test/fixtures/stable-diffusion/${name}`;
  const { tensors, metadata } = decodeSafetensors(readFileSync(`${folder}/expected.safetensors`), name);
  const about = JSON.parse(metadata.about ?? '{}');
  const lora = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: about.rank, alpha: about.alpha };
  const valuesOf = (key: string) => tensors.get(key)?.data as Float32Array;
  let cpu: Engine;
  let engine: Engine;
  let pipeline: Pipeline;

  beforeAll(async () => {
    cpu = sharedEngine();
    engine = emulatedHalf(cpu);
    pipeline = await openPipeline(engine, folder);
  });
  afterAll(() => cpu.close());

  it('should predict what the sampler predicts in single precision', async () => {
    const rows = await Promise.all(about.prompts.map((prompt: string) => pipeline.embedPrompt(prompt)));
    const embeds = Float32Array.from(rows.flatMap((row) => [...row]));
    const latents = randomTensor(1, [rows.length, ...pipeline.latentShape]).data;
    const predicted = async (precision: Precision) => {
      const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [rows.length], precision });
      await denoiser.usePolicy(initialParameters(denoiser.adapters, lora, 1));
      const output = await denoiser.predict(latents, 501, embeds);
      await denoiser.release();
      return output;
    };
    const error = relativeError(await predicted('float16'), await predicted('float32'));
    expect(error).toBeLessThan(BOUND);
    expect(error).toBeGreaterThan(1e-5);
  });

  // What is made again is in half as it was; one model is enough to see it.
  it.each(name === 'sd1' ? (['off', 'blocks'] as const) : (['off'] as const))(
    'should have the loss and the LoRA gradients of autograd, checkpointing %s',
    async (gradientCheckpointing) => {
      const { graph, adapters } = await buildPolicyGraph(engine, pipeline, {
        lora,
        guidanceScale: about.guidanceScale,
        minibatchSize: about.pairs,
        surrogate: { type: 'ddpo-is', clipRange: about.clipRange, advClipMax: about.advClipMax },
        measureKl: false,
        gradientCheckpointing,
        precision: 'float16',
      });
      expectTypes(graph);
      const executable = await compileHalf(cpu, graph, 'policy');
      const inputs = [...tensors.keys()].filter((key) => key.startsWith('input:'));
      const feeds: Record<string, Tensor> = Object.fromEntries(
        inputs.map((key) => [
          key.slice('input:'.length),
          float32(valuesOf(key), tensors.get(key)?.shape ?? []),
        ]),
      );
      const outputs = await executable.run({ ...feeds, lossScale: float32([SCALE], []) });
      await executable.release();
      expect(relativeError(float32Data(outputs.ratio, 'ratio'), valuesOf('ratio'))).toBeLessThan(BOUND);
      const parameters = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
      const [found, expected] = [
        parameters.flatMap((parameter) => [...float32Data(outputs[`gradient:${parameter}`], parameter)]),
        parameters.flatMap((parameter) => [...valuesOf(`gradient:${parameter}`)]),
      ];
      const error = relativeError(
        Float32Array.from(found, (value) => value / SCALE),
        Float32Array.from(expected),
      );
      expect(error).toBeLessThan(GRADIENT_BOUND);
      expect(error).toBeGreaterThan(1e-5);
    },
  );
});

describe('the shapes model in half precision', () => {
  it('should predict what the sampler predicts in single precision, by an adapter at work', async () => {
    const cpu = sharedEngine();
    const engine = emulatedHalf(cpu);
    const pipeline = await openPipeline(engine, 'models/shapes');
    const embeds = Float32Array.from([...(await pipeline.embedPrompt('a red circle above a blue square'))]);
    const latents = randomTensor(3, [1, ...pipeline.latentShape]).data;
    const lora = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 2, alpha: 2 };
    const predicted = async (precision: Precision) => {
      const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [1], precision });
      await denoiser.usePolicy(randomAdapter(denoiser.adapters, 0.05));
      return denoiser.predict(latents, 501, embeds);
    };
    const [found, expected] = [await predicted('float16'), await predicted('float32')];
    expect(found.length).toBe(elementCount(pipeline.latentShape));
    const error = relativeError(found, expected);
    expect(error).toBeLessThan(BOUND);
    await cpu.close();
  });
});
