/**
 * @file A folder of SD 3.5 without T5, compared with diffusers: prompts, pictures, and the gradients of GRPO. The fixture is
 * made by tools/reference/stable_diffusion_3.py.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { SD3 } from '../../../src/models/networks/denoiser-family.js';
import { createConditioning } from '../../../src/models/pipeline/conditioning.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { float32, float32Data, type Tensor } from '../../../src/models/tensor.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { formulaNumbers } from '../../fixtures/formula-numbers.js';
import { openTinyTrainer, stepsFrom } from '../../fixtures/open-tiny.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';
import { SD3_ABOUT, SD3_EXPECTED, writeSd3Folder } from '../../fixtures/sd3-folder.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const valuesOf = (name: string) => SD3_EXPECTED.get(name)?.data as Float32Array;
const tensorOf = (name: string) => float32(valuesOf(name), SD3_EXPECTED.get(name)?.shape ?? []);

/** The largest difference over the largest expected number; as it is where zeros are expected. */
function error(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.NaN;
  let [most, size] = [0, 0];
  expected.forEach((value, i) => {
    most = Math.max(most, Math.abs((found[i] ?? Number.NaN) - value));
    size = Math.max(size, Math.abs(value));
  });
  return most / (size || 1);
}

describe('a folder of SD 3.5 without T5', () => {
  const { prompts, rank, alpha, guidanceScale } = SD3_ABOUT;
  let engine: Engine;
  let folder: string;
  let pipeline: Pipeline;

  beforeAll(async () => {
    engine = sharedEngine();
    folder = await writeSd3Folder(await mkdtemp(join(tmpdir(), 'tributary-sd3-')));
    pipeline = await openPipeline(engine, folder);
  });
  afterAll(async () => {
    await pipeline.release();
    await rm(folder, { recursive: true, force: true });
  });

  it('should have the embeddings of its prompts, and zeros for the third encoder', async () => {
    const rows = await Promise.all([...prompts, ''].map((prompt) => pipeline.embedPrompt(prompt)));
    const { encoder_hidden_states: all, pooled_projections: pooled } = pipeline.conditioning(rows, 1);
    expect(all?.shape).toEqual([3, 77 + 256, 48]);
    const perRow = 333 * 48;
    const clip = [0, 1, 2].flatMap((row) => [
      ...float32Data(all, 'embeds').subarray(row * perRow, row * perRow + 77 * 48),
    ]);
    expect(error(Float32Array.from(clip), valuesOf('embeds'))).toBeLessThan(1e-5);
    for (const row of rows) expect(row.subarray(77 * 48, perRow).every((value) => value === 0)).toBe(true);
    expect(error(float32Data(pooled, 'pooled'), valuesOf('pooled'))).toBeLessThan(1e-5);
  });

  it.each([
    ['square', 16, 16],
    ['wide', 8, 32],
  ])('should draw what diffusers draws: %s', async (name, height, width) => {
    const sized = await pipeline.resized({ height, width }, 'size');
    const lora = { rank, alpha };
    const denoiser = await openDenoiser(engine, sized, { lora, rows: [prompts.length] });
    await denoiser.usePolicy(initialParameters(denoiser.adapters, lora, 1));
    const images = await drawPictures(sized, denoiser, { ...SD3_ABOUT, eta: 0 }, 'training');
    const wanted = valuesOf(name);
    expect(wanted.filter((value) => value > 0 && value < 1).length).toBeGreaterThan(0.5 * wanted.length);
    expect(furthestFrom(wanted, images, height * width)).toBeLessThan(0.1 / 255);
    await denoiser.release();
  });

  it.each(['off', 'blocks'] as const)(
    'should have the loss and the gradients of autograd for every layer, with checkpointing %s',
    async (gradientCheckpointing) => {
      const { clipRange, advClipMax, klWeight, pairs } = SD3_ABOUT;
      // The tokens of zeros are left out, as the script says.
      const embedsShape = [77, 48] as const;
      const { graph, adapters } = await buildPolicyGraph(
        engine,
        { ...pipeline, embedsShape },
        {
          lora: { pattern: '', rank, alpha },
          guidanceScale,
          minibatchSize: pairs,
          surrogate: { type: 'grpo', clipRange, advClipMax, klWeight },
          measureKl: false,
          gradientCheckpointing,
          precision: 'float32',
        },
      );
      const executable = await compileGraph(engine, graph, { label: 'policy' });
      const layers = adapters.map(({ layer }) => layer).sort();
      const gradients = [...SD3_EXPECTED.keys()].filter((key) => key.startsWith('gradient:'));
      expect(
        adapters.flatMap(({ inputA, inputB }) => [`gradient:${inputA}`, `gradient:${inputB}`]).sort(),
      ).toEqual(gradients.sort());
      const texts = [...Array.from({ length: pairs }, () => ''), ...prompts, ...prompts];
      const rows = await Promise.all(texts.map((text) => pipeline.embedPrompt(text)));
      const cut = rows.map((row) =>
        Float32Array.from([...row.subarray(0, 77 * 48), ...row.subarray(333 * 48)]),
      );
      const inputs = SD3.conditioning(pipeline.folder.denoiser.config, embedsShape);
      const feeds: Record<string, Tensor> = { ...createConditioning(inputs, embedsShape, [16, 16])(cut, 1) };
      for (const key of SD3_EXPECTED.keys())
        if (key.startsWith('input:')) feeds[key.slice('input:'.length)] = tensorOf(key);
      for (const { name, shape } of executable.inputs) {
        const [, layer = '', part] = /^(.+)\.lora_([AB])$/.exec(name) ?? [];
        if (part === undefined) continue;
        const seed = 2000 + 2 * layers.indexOf(layer) + (part === 'A' ? 0 : 1);
        const dims = shape.map(Number);
        feeds[name] = float32(
          formulaNumbers(
            dims.reduce((a, b) => a * b),
            seed,
            0.6,
          ),
          dims,
        );
      }
      const results = await executable.run(feeds);
      for (const key of ['loss', 'ratio'])
        expect(error(float32Data(results[key], key), valuesOf(key)), key).toBeLessThan(1e-4);
      for (const key of gradients)
        expect(error(float32Data(results[key], key), valuesOf(key)), key).toBeLessThan(1e-4);
      await executable.release();
    },
  );

  it('should adapt the joint attention by default, as flow_grpo does', async () => {
    const denoiser = await openDenoiser(engine, pipeline, { lora: { rank, alpha }, rows: [1] });
    const names = denoiser.adapters.map(({ layer }) => layer);
    const joint = ['to_q', 'to_k', 'to_v', 'add_q_proj', 'add_k_proj', 'add_v_proj', 'to_out.0'];
    const wanted = [0, 1].flatMap((block) =>
      [...joint, ...(block === 0 ? ['to_add_out'] : [])].map(
        (name) => `transformer_blocks.${block}.attn.${name}`,
      ),
    );
    expect(names.sort()).toEqual(wanted.sort());
    await denoiser.release();
  });

  it('should refuse to train its text encoders', async () => {
    const lora = { rank, alpha, textEncoder: 'self_attn' };
    const [code, message] = await faultOf(() => openPipeline(engine, folder, { lora }));
    expect([code, message]).toEqual(['TRIB_LORA', expect.stringContaining('of SD 3 or SD 3.5 stay frozen')]);
  });

  it('should take a round on rollouts of its own', async () => {
    const opened = { engine, pipeline, close: async () => {} };
    const trainedSteps = stepsFrom(3);
    const { samples, state } = await sampleTiny(opened, {}, trainedSteps);
    const trainer = await openTinyTrainer(opened);
    const { statistics } = await trainer.train(stageOf(samples, { trainedSteps }), state);
    expect(statistics.optimizerSteps).toBe(1);
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
    await trainer.release();
  });
});

it('should embed and draw with T5 as diffusers does', async () => {
  const { prompts, rank, alpha } = SD3_ABOUT;
  const engine = sharedEngine();
  const pipeline = await openPipeline(engine, await writeSd3Folder(await temporaryFolder(), {}, true));
  const rows = await Promise.all(prompts.map((prompt) => pipeline.embedPrompt(prompt)));
  const shown = rows.flatMap((row) => [
    ...row.subarray(77 * 48, 101 * 48),
    ...row.subarray(331 * 48, 333 * 48),
  ]);
  expect(error(Float32Array.from(shown), valuesOf('embeds3'))).toBeLessThan(1e-5);
  const lora = { rank, alpha };
  const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [prompts.length] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, lora, 1));
  const images = await drawPictures(pipeline, denoiser, { ...SD3_ABOUT, eta: 0 }, 'training');
  expect(furthestFrom(valuesOf('square3'), images, 16 * 16)).toBeLessThan(0.1 / 255);
  expect(furthestFrom(valuesOf('square'), images, 16 * 16)).toBeGreaterThan(2 / 255);
  await denoiser.release();
  await pipeline.release();
});

describe('a folder of SD 3 that cannot be used', () => {
  const INDEX = 'model_index.json';
  it.each([
    [
      INDEX,
      { text_encoder_3: ['transformers', 'UMT5EncoderModel'] },
      'text_encoder_3: expected T5EncoderModel or null',
    ],
    [
      INDEX,
      { text_encoder: [null, null] },
      'text_encoder: expected [library, class], because only the third',
    ],
    [INDEX, { tokenizer_2: null }, 'tokenizer_2: expected [library, class]'],
    [INDEX, { unet: ['diffusers', 'UNet2DConditionModel'] }, 'expected a pipeline with one denoiser, got'],
    [
      INDEX,
      { transformer: ['diffusers', 'FluxTransformer2DModel'] },
      'got "StableDiffusion3Pipeline" with FluxTransformer2DModel as its transformer',
    ],
    [
      'transformer/config.json',
      { joint_attention_dim: 32 },
      'joint_attention_dim: expected at least 40, the width of both text encoders together, got 32',
    ],
    [
      'transformer/config.json',
      { pooled_projection_dim: 33 },
      'pooled_projection_dim: expected 32, the pooled embeddings of both text encoders together, got 33',
    ],
    [
      'vae/config.json',
      { latent_channels: 4 },
      'latent_channels: expected 16, as the transformer draws, got 4',
    ],
    [
      'scheduler/scheduler_config.json',
      { _class_name: 'DDIMScheduler' },
      '_class_name: expected FlowMatchEulerDiscreteScheduler as in model_index.json, got "DDIMScheduler"',
    ],
  ])('should be refused by name: %s with %j', async (name, fields, text) => {
    const folder = await writeSd3Folder(await temporaryFolder(), { [name]: fields });
    const [code, message] = await faultOf(() => readPipelineFolder(folder));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(name);
    expect(message).toContain(text);
  });

  it('should be refused where T5 is missing, or has another width', async () => {
    const index = { text_encoder_3: ['transformers', 'T5EncoderModel'] };
    const without = await writeSd3Folder(await temporaryFolder(), { [INDEX]: index });
    expect((await faultOf(() => readPipelineFolder(without)))[1]).toContain('tokenizer_3: expected a folder');
    const changes = { 'text_encoder_3/config.json': { d_model: 40 } };
    const narrow = await writeSd3Folder(await temporaryFolder(), changes, true);
    expect((await faultOf(() => readPipelineFolder(narrow)))[1]).toContain(
      'text_encoder_3/config.json d_model: expected 48, the joint_attention_dim of the transformer, got 40',
    );
  });

  it.each([
    [{ width: 20 }, 'size.width: expected a multiple of 8, as'],
    [{ height: 56 }, 'size.height: expected at most 48, for which'],
  ])('should be refused a size that it cannot draw: %j', async (size, text) => {
    const pipeline = await openPipeline(sharedEngine(), await writeSd3Folder(await temporaryFolder()));
    const [code, message] = await faultOf(() => pipeline.resized(size, 'size'));
    expect([code, message]).toEqual(['TRIB_CONFIG', expect.stringContaining(text)]);
    await pipeline.release();
  });
});
