/** @file Models that cannot be trained: one clear message each. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { TINY_LORA, TINY_TRAINER } from '../../fixtures/open-tiny.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

/** The tiny pipeline with its UNet replaced. */
async function pipelineWith(change: (bytes: Uint8Array) => Uint8Array) {
  const folder = await temporaryFolder();
  await writeTinyPipeline(folder);
  const path = join(folder, 'unet', 'model.onnx');
  await writeFile(path, change(await readFile(path)));
  return { path, folder };
}

const build = async (folder: string, pattern = TINY_LORA.pattern) => {
  const pipeline = await openPipeline(engine, folder);
  return buildPolicyGraph(engine, pipeline, { ...TINY_TRAINER, lora: { ...TINY_LORA, pattern } });
};

/** A network that is told one thing more, as distilled ones are. */
function withGuidanceInput(): Uint8Array {
  const g = new GraphBuilder();
  const sample = g.input('sample', 'float32', [1, 3, 16, 16]);
  const others = [
    g.input('timestep', 'int64', [1]),
    g.input('encoder_hidden_states', 'float32', [1, 12, 16]),
    g.input('timestep_cond', 'float32', [1, 256]),
  ];
  g.output(sample.neg(), 'out_sample');
  return encodeGraph({ ...g.build(), inputs: [sample, ...others] }, {});
}

/** A network of one linear layer, whose output goes through `Softsign`, which has no gradient rule. */
function withoutRule(): Uint8Array {
  const g = new GraphBuilder();
  const sample = g.input('sample', 'float32', [1, 3, 16, 16]);
  g.input('timestep', 'int64', [1]);
  g.input('encoder_hidden_states', 'float32', [1, 12, 16]);
  const weight = g.initializer('to_q', randomTensor(1, [16, 16]));
  const product = sample.matMul(weight, { name: '/attn1/to_q/MatMul' });
  const output = { ...product, name: 'summed' };
  g.append({
    name: '/attn1/Softsign',
    op: 'Softsign',
    domain: '',
    inputs: [product],
    outputs: [output],
    attributes: {},
  });
  g.output(output, 'out_sample');
  const graph = g.build();
  const axes = Object.fromEntries([...graph.inputs, ...graph.outputs].map(({ name }) => [name, ['batch']]));
  return encodeGraph(
    { ...graph, inputs: [sample, ...['timestep', 'encoder_hidden_states'].map((name) => g.value(name))] },
    { symbolicAxes: { ...axes, timestep: ['batch'], encoder_hidden_states: ['batch'] } },
  );
}

describe('a model that cannot be trained', () => {
  it('should be named with the operator that has no gradient rule', async () => {
    const { folder, path } = await pipelineWith(withoutRule);
    expect(await faultOf(() => build(folder))).toEqual([
      'TRIB_NO_GRADIENT',
      `${path}: Softsign "/attn1/Softsign": expected an operator with a gradient rule on the path from "/objective/ReduceSum_output" to "attn1.to_q.lora_A" and 1 more, got Softsign. Export the model with other operators, or add a row to gradient-rules.ts.`,
    ]);
  });

  it('should say that no layer has the wanted name', async () => {
    const { folder, path } = await pipelineWith((bytes) => bytes);
    const [code, message] = await faultOf(() => build(folder, 'attn3'));
    expect(code).toBe('TRIB_LORA');
    expect(message).toMatch(
      new RegExp(
        `^${path} LoRA pattern "attn3": expected to match the name of a MatMul, Gemm or Conv with a constant weight, got none of \\d+\\. Names look like `,
      ),
    );
  });

  it('should be named with the inputs that nothing is known of', async () => {
    const { folder, path } = await pipelineWith(withGuidanceInput);
    expect(await faultOf(() => build(folder))).toEqual([
      'TRIB_MODEL',
      `${path} inputs: expected timestep, sample, encoder_hidden_states alone, got timestep_cond too. Set time_cond_proj_dim in the config.json beside it to the width of timestep_cond.`,
    ]);
  });

  it('should say that its file is cut short, to sampler and trainer alike', async () => {
    const { folder, path } = await pipelineWith((bytes) => bytes.subarray(0, bytes.length - 1000));
    const expected = [
      'TRIB_MODEL',
      expect.stringMatching(new RegExp(`^${path}.*\\(truncated\\?\\)\\. Copy the file again\\.$`)),
    ];
    expect(await faultOf(() => build(folder))).toEqual(expected);
    const pipeline = await openPipeline(engine, folder);
    expect(await faultOf(() => openDenoiser(engine, pipeline, { lora: TINY_LORA, rows: [2] }))).toEqual(
      expected,
    );
  });

  it('should say that its file is not there', async () => {
    const { folder, path } = await pipelineWith((bytes) => bytes);
    await rm(path);
    expect(await faultOf(() => openPipeline(engine, folder))).toEqual([
      'TRIB_MODEL',
      `${path}: expected an ONNX graph, or diffusion_pytorch_model.safetensors beside it, got no such file. Export the model with optimum, or save it with diffusers as safetensors, and point to that folder.`,
    ]);
  });

  it('should say which adapter parameter is missing', async () => {
    const { folder } = await pipelineWith((bytes) => bytes);
    const denoiser = await openDenoiser(engine, await openPipeline(engine, folder), {
      lora: TINY_LORA,
      rows: [2],
    });
    expect(await faultOf(() => denoiser.usePolicy({ other: new Float32Array(1) }))).toEqual([
      'TRIB_LORA',
      expect.stringMatching(
        new RegExp(
          `^adapter: expected the parameters of the model's layers, got others for ${denoiser.adapters[0]?.inputA} \\[16, 2\\] \\(got none\\), .* and \\d+ more\\. Use an adapter that was made for this model`,
        ),
      ),
    ]);
  });
});
