/** @file Folders of diffusers that are wrong or partial: what is said of them. */

import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import { openDenoiserGraph } from '../../../src/models/networks/open-denoiser-graph.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

async function copyOf(name: 'sd1' | 'sd2' | 'sdxl'): Promise<string> {
  const folder = join(await temporaryFolder(), name);
  await cp(`test/fixtures/stable-diffusion/${name}`, folder, { recursive: true });
  return folder;
}

async function change(path: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...fields }));
}

async function changeWeights(
  path: string,
  edit: (tensors: Map<string, SafetensorsTensor>) => void,
): Promise<void> {
  const { tensors, metadata } = decodeSafetensors(await readFile(path), path);
  const edited = new Map(tensors);
  edit(edited);
  await writeFile(path, encodeSafetensors({ tensors: edited, metadata }));
}

const WEIGHTS = 'unet/diffusion_pytorch_model.safetensors';

describe('a folder of diffusers that cannot be used', () => {
  it.each([
    [
      { _class_name: 'SD3Transformer2DModel' },
      '_class_name: expected UNet2DConditionModel, got "SD3Transformer2DModel"',
    ],
    [
      { down_block_types: ['AttnDownBlock2D', 'DownBlock2D'] },
      'expected DownBlock2D or CrossAttnDownBlock2D, got "AttnDownBlock2D"',
    ],
    [{ time_cond_proj_dim: 3 }, 'time_cond_proj_dim: expected an integer in 4..10000, got 3'],
    [
      { act_fn: 'mish', class_embed_type: 'timestep' },
      'act_fn: expected silu or swish, got "mish" (and 1 more)',
    ],
    [
      { in_channels: 2 },
      'in_channels: expected at least 4 as in out_channels (a learned variance is not offered), got 2',
    ],
    [{ sample_size: 9 }, 'sample_size: expected multiples of 2, got [9, 9]'],
    [{ norm_num_groups: 5 }, 'norm_num_groups: expected a divisor of 16 channels, got 5'],
    [{ attention_head_dim: [2] }, 'attention_head_dim: expected 2 entries as in block_out_channels, got 1'],
    [{ addition_embed_type: 'image' }, 'addition_embed_type: expected text_time, got "image"'],
    [
      {
        addition_embed_type: 'text_time',
        addition_time_embed_dim: 8,
        projection_class_embeddings_input_dim: 40,
      },
      'projection_class_embeddings_input_dim: expected more than 6 · addition_time_embed_dim = 48, got 40',
    ],
  ])('should name what is not built of a UNet: %j', async (fields, text) => {
    const folder = await copyOf('sd1');
    await change(join(folder, 'unet/config.json'), fields);
    const [code, message] = await faultOf(() => readPipelineFolder(folder));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(
      `unet/config.json ${text.startsWith('expected') ? 'down_block_types.0: ' : ''}${text}`,
    );
    expect(message).toMatch(/SD 1\.x, SD 2\.x or SDXL, or one exported to ONNX\.$/);
  });

  it.each([
    [
      'vae/config.json',
      { _class_name: 'AsymmetricAutoencoderKL' },
      '_class_name: expected AutoencoderKL or AutoencoderTiny, got "AsymmetricAutoencoderKL"',
    ],
    ['vae/config.json', { shift_factor: 0.1 }, 'shift_factor: expected 0 or null'],
    [
      'text_encoder/config.json',
      { architectures: ['T5EncoderModel'] },
      'architectures.0: expected CLIPTextModel or CLIPTextModelWithProjection, got "T5EncoderModel"',
    ],
    [
      'text_encoder/config.json',
      { hidden_act: 'relu' },
      'hidden_act: expected quick_gelu or gelu, got "relu"',
    ],
    [
      'text_encoder/config.json',
      { num_attention_heads: 3 },
      'num_attention_heads: expected a divisor of hidden_size 16, got 3',
    ],
    // What would be counted, named or allocated before any weights could say that it is not so.
    [
      'unet/config.json',
      { layers_per_block: 1e9 },
      'layers_per_block: expected an integer in 1..1000, got 1000000000',
    ],
    [
      'unet/config.json',
      { in_channels: 1e12 },
      'in_channels: expected an integer in 1..1000000, got 1000000000000',
    ],
    [
      'unet/config.json',
      { block_out_channels: Array.from({ length: 17 }, () => 16) },
      'block_out_channels: expected at most 16 entries, got [16,',
    ],
    [
      'unet/config.json',
      { sample_size: 65_536 },
      'sample_size: expected latents of at most 16777216 numbers, got 4 x 65536 x 65536',
    ],
    [
      'vae/config.json',
      { layers_per_block: 1e6 },
      'layers_per_block: expected an integer in 1..1000, got 1000000',
    ],
    ['vae/config.json', { scaling_factor: 0 }, 'scaling_factor: expected a number in [0.0001, 10000], got 0'],
    [
      'vae/config.json',
      { scaling_factor: 1e-300 },
      'scaling_factor: expected a number in [0.0001, 10000], got 1e-300',
    ],
    [
      'text_encoder/config.json',
      { num_hidden_layers: 1e9 },
      'num_hidden_layers: expected an integer in 1..1000, got 1000000000',
    ],
    [
      'text_encoder/config.json',
      { max_position_embeddings: 1e6 },
      'max_position_embeddings: expected an integer in 1..4096, got 1000000',
    ],
  ])('should name what is not built: %s with %j', async (name, fields, text) => {
    const folder = await copyOf('sd1');
    await change(join(folder, name), fields);
    const [code, message] = await faultOf(() => readPipelineFolder(folder));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(`${name} ${text}`);
  });

  it.each([
    [
      { unet: [null, null] },
      'a UNet (SD 1.x, SD 2.x or SDXL) or a transformer (SD 3 or SD 3.5)',
      'FluxTransformer2DModel as its transformer',
    ],
    [{}, 'one denoiser', 'unet and transformer'],
  ])('should say that a pipeline has another denoiser: %j', async (fields, wanted, got) => {
    const folder = await copyOf('sd1');
    await change(join(folder, 'model_index.json'), {
      _class_name: 'FluxPipeline',
      transformer: ['diffusers', 'FluxTransformer2DModel'],
      ...fields,
    });
    expect((await faultOf(() => readPipelineFolder(folder)))[1]).toContain(
      `model_index.json _class_name: expected a pipeline with ${wanted}, got "FluxPipeline" with ${got}.`,
    );
  });

  it('should list all weights that do not fit, at once', async () => {
    const folder = await copyOf('sd1');
    await changeWeights(join(folder, WEIGHTS), (tensors) => {
      tensors.delete('conv_in.bias');
      tensors.set('conv_out.bias', { dtype: 'F32', shape: [3], data: new Float32Array(3) });
      tensors.set('controlnet.weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    });
    const pipeline = await openPipeline(engine, folder);
    expect(await faultOf(() => openDenoiserGraph(engine, pipeline, 1))).toEqual([
      'TRIB_MODEL',
      `${join(folder, WEIGHTS)}: expected the weights of the network that config.json describes, got 3 that do not fit: ` +
        '"conv_in.bias" [16] is missing; "conv_out.bias" is [3] instead of [4]; "controlnet.weight" [1] is not in the network. ' +
        'Take config.json and weights from one model.',
    ]);
  });

  it('should count what a wrong config makes of all weights, and show the first of them', async () => {
    const folder = await copyOf('sd1');
    await change(join(folder, 'unet/config.json'), { block_out_channels: [32, 64] });
    const pipeline = await openPipeline(engine, folder);
    const [, message] = await faultOf(() => openDenoiserGraph(engine, pipeline, 1));
    expect(message).toMatch(
      /got \d{3} that do not fit: "time_embedding\.linear_1\.weight" is \[64, 16\] instead of \[128, 32\]; /,
    );
    expect(message).toMatch(/; and \d{3} more\. Take/);
  });

  it('should refuse weights of integers', async () => {
    const folder = await copyOf('sd1');
    await changeWeights(join(folder, WEIGHTS), (tensors) => {
      tensors.set('conv_out.bias', { dtype: 'I64', shape: [4], data: new BigInt64Array(4) });
    });
    const pipeline = await openPipeline(engine, folder);
    expect((await faultOf(() => openDenoiserGraph(engine, pipeline, 1)))[1]).toContain(
      'tensor "conv_out.bias": expected floats, such as F32 or F16, got I64.',
    );
  });

  it.each([
    ['unet', 'diffusion_pytorch_model.bin'],
    ['text_encoder', 'pytorch_model.bin'],
    ['vae', 'diffusion_pytorch_model.ckpt'],
  ])('should refuse a pickle in %s with the reason', async (name, pickle) => {
    const folder = await copyOf('sd1');
    const base = name === 'text_encoder' ? 'model' : 'diffusion_pytorch_model';
    await rename(join(folder, name, `${base}.safetensors`), join(folder, name, pickle));
    expect(await faultOf(() => readPipelineFolder(folder))).toEqual([
      'TRIB_MODEL',
      `${join(folder, name, pickle)}: expected safetensors, got a pickle, which can run any code when it is loaded and is never read here. Convert the model with diffusers: load it and call save_pretrained(folder, safe_serialization=True).`,
    ]);
  });

  it.each([WEIGHTS, 'unet/model.onnx'])('should refuse a pickle that is called %s', async (name) => {
    const folder = await copyOf('sd1');
    await writeFile(join(folder, name), Uint8Array.from([0x50, 0x4b, 3, 4, ...new Uint8Array(64)]));
    const [, message] = await faultOf(async () =>
      openDenoiserGraph(engine, await openPipeline(engine, folder), 1),
    );
    expect(message).toMatch(
      new RegExp(
        `^${join(folder, name)}: expected .+, got a pickle, which can run any code when it is loaded`,
      ),
    );
  });

  it('should refuse single files with the reason', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'v1-5.ckpt'), 'x');
    await writeFile(join(folder, 'v1-5.safetensors'), 'x');
    expect((await faultOf(() => readPipelineFolder(join(folder, 'v1-5.ckpt'))))[1]).toContain('got a pickle');
    expect((await faultOf(() => readPipelineFolder(join(folder, 'v1-5.safetensors'))))[1]).toContain(
      'v1-5.safetensors: expected at least 8 bytes, got 1. The file is damaged or truncated',
    );
  });

  it('should say that a component is missing', async () => {
    const folder = await copyOf('sdxl');
    await rm(join(folder, 'text_encoder_2/model.fp16.safetensors'));
    expect((await faultOf(() => readPipelineFolder(folder)))[1]).toContain(
      'text_encoder_2/model.onnx: expected an ONNX graph, or model.safetensors beside it, got no such file.',
    );
  });

  it.each([
    [
      { 'conv_in.weight': '../secret.safetensors' },
      'expected a safetensors file beside the index, got "../secret.safetensors"',
    ],
    [{ 'conv_in.weight': 'x.bin' }, 'expected a safetensors file beside the index, got "x.bin"'],
    [{ 'other.weight': 'SHARD' }, 'got no such tensor there'],
    [{ 'conv_in.weight': 7 }, 'expected a file name, got 7'],
  ])('should refuse an index that does not fit its files: %j', async (entries, text) => {
    const folder = await copyOf('sd2');
    const path = join(folder, 'unet/diffusion_pytorch_model.safetensors.index.json');
    const { weight_map: map } = JSON.parse(await readFile(path, 'utf8'));
    const [shard] = Object.values(map);
    const changed = Object.entries(entries).map(([name, file]) => [name, file === 'SHARD' ? shard : file]);
    await change(path, { weight_map: { ...map, ...Object.fromEntries(changed) } });
    const pipeline = await openPipeline(engine, folder);
    const [code, message] = await faultOf(() => openDenoiserGraph(engine, pipeline, 1));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(text);
  });

  it('should say that latents have no decoder', async () => {
    const folder = await copyOf('sd1');
    await rm(join(folder, 'vae'), { recursive: true });
    expect((await faultOf(() => readPipelineFolder(folder)))[1]).toContain(
      `${folder}/vae/config.json: expected a decoder of the latents, which have 4 channels, got none.`,
    );
  });

  it('should say that a shard is missing', async () => {
    const folder = await copyOf('sd2');
    await rm(join(folder, 'unet/diffusion_pytorch_model-00002-of-00003.safetensors'));
    const pipeline = await openPipeline(engine, folder);
    expect((await faultOf(() => openDenoiserGraph(engine, pipeline, 1)))[0]).toBe('TRIB_FILE');
  });

  it('should prefer an ONNX graph to safetensors, wherever exporters put it', async () => {
    const folder = await copyOf('sd1');
    for (const name of ['unet/unet.onnx', 'unet.onnx', 'unet/model.onnx']) {
      await mkdir(join(folder, 'unet'), { recursive: true });
      await writeFile(join(folder, name), 'graph');
    }
    for (const name of ['unet/model.onnx', 'unet/unet.onnx', 'unet.onnx']) {
      const { denoiser } = await readPipelineFolder(folder);
      expect(denoiser).toMatchObject({ modelPath: join(folder, name), network: null });
      await rm(join(folder, name));
    }
    expect((await readPipelineFolder(folder)).denoiser.modelPath).toBe(join(folder, WEIGHTS));
  });
});
