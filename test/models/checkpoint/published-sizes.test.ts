/**
 * @file The configs that files of the published sizes imply, from names and shapes alone. The values are those of the
 * folders on the hub: stable-diffusion-v1-5/stable-diffusion-v1-5, stabilityai/stable-diffusion-2-1 and
 * stabilityai/stable-diffusion-xl-base-1.0.
 */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkpointOf } from '../../../src/models/checkpoint/read-checkpoint.js';
import type { TensorRecord } from '../../../src/models/files/safetensors-header.js';
import { readUnet2dConditionConfig } from '../../../src/models/networks/unet-config.js';
import { ofCheckpoint } from '../../../src/models/pipeline/pipeline-source.js';
import { CHECKPOINTS } from '../../fixtures/checkpoint-files.js';

const published = JSON.parse(
  brotliDecompressSync(readFileSync(`${CHECKPOINTS}/shapes.json.br`)).toString(),
) as Record<string, Record<string, readonly number[]>>;

/** A file of which there is only the header. */
function checkpoint(name: string, others: readonly string[] = []) {
  const shapes = Object.entries(published[name] ?? {});
  const all = [...shapes, ...others.map((key) => [key, []] as const)];
  const records = new Map<string, TensorRecord>(
    all.map(([key, shape]) => [key, { name: key, dtype: 'F16', shape, start: 0, end: 0 }]),
  );
  // A norm whose biases do not spread: the model predicts noise.
  const bias = async () => ({ dtype: 'F16', shape: [320], data: new Uint16Array(320) }) as const;
  const file = { path: `${name}.safetensors`, records, metadata: {}, leftOut: new Map(), dataStart: 0 };
  const close = async () => {};
  return checkpointOf(file.path, { ...file, read: bias, readRecord: bias, close }, {});
}

const WIDE = [320, 640, 1280, 1280];
const ATTENDING = ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'];
const RISING = ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'];
const UNETS = {
  sd1: {
    sample_size: 64,
    in_channels: 4,
    out_channels: 4,
    block_out_channels: WIDE,
    down_block_types: ATTENDING,
    up_block_types: RISING,
    mid_block_type: 'UNetMidBlock2DCrossAttn',
    layers_per_block: 2,
    transformer_layers_per_block: 1,
    cross_attention_dim: 768,
    attention_head_dim: 8,
    use_linear_projection: false,
    norm_num_groups: 32,
  },
  sd2: {
    sample_size: 64,
    in_channels: 4,
    block_out_channels: WIDE,
    down_block_types: ATTENDING,
    up_block_types: RISING,
    layers_per_block: 2,
    transformer_layers_per_block: 1,
    cross_attention_dim: 1024,
    attention_head_dim: [5, 10, 20, 20],
    use_linear_projection: true,
  },
  sdxl: {
    sample_size: 128,
    in_channels: 4,
    block_out_channels: [320, 640, 1280],
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    layers_per_block: 2,
    transformer_layers_per_block: [1, 2, 10],
    cross_attention_dim: 2048,
    attention_head_dim: [5, 10, 20],
    use_linear_projection: true,
    addition_embed_type: 'text_time',
    addition_time_embed_dim: 256,
    projection_class_embeddings_input_dim: 2816,
  },
};
const CLIP_L = {
  architectures: ['CLIPTextModel'],
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  hidden_act: 'quick_gelu',
  max_position_embeddings: 77,
  vocab_size: 49408,
  projection_dim: 768,
};
const TEXT_ENCODERS = {
  sd1: [CLIP_L],
  sd2: [
    {
      architectures: ['CLIPTextModel'],
      hidden_size: 1024,
      intermediate_size: 4096,
      num_hidden_layers: 23,
      num_attention_heads: 16,
      hidden_act: 'gelu',
    },
  ],
  sdxl: [
    CLIP_L,
    {
      architectures: ['CLIPTextModelWithProjection'],
      hidden_size: 1280,
      intermediate_size: 5120,
      num_hidden_layers: 32,
      num_attention_heads: 20,
      hidden_act: 'gelu',
      projection_dim: 1280,
    },
  ],
};
const VAES = {
  sd1: { scaling_factor: 0.18215, sample_size: 512 },
  sd2: { scaling_factor: 0.18215, sample_size: 768 },
  sdxl: { scaling_factor: 0.13025, sample_size: 1024 },
};
const SCHEDULER = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  num_train_timesteps: 1000,
  prediction_type: 'epsilon',
  timestep_spacing: 'leading',
  steps_offset: 1,
  set_alpha_to_one: false,
};

describe.each(['sd1', 'sd2', 'sdxl'] as const)('a file of the size of %s', (name) => {
  it('should imply the published configs', async () => {
    const { configs } = await checkpoint(name);
    expect(configs.get('unet/config.json')).toMatchObject(UNETS[name]);
    expect(configs.get('vae/config.json')).toMatchObject({
      ...VAES[name],
      latent_channels: 4,
      block_out_channels: [128, 256, 512, 512],
      layers_per_block: 2,
      norm_num_groups: 32,
    });
    const [first, second] = TEXT_ENCODERS[name];
    expect(configs.get('text_encoder/config.json')).toMatchObject(first ?? {});
    if (second) expect(configs.get('text_encoder_2/config.json')).toMatchObject(second);
    expect(configs.get('scheduler/scheduler_config.json')).toMatchObject(SCHEDULER);
  });

  it('should have a UNet that is built', async () => {
    const source = ofCheckpoint(await checkpoint(name));
    const { levels } = await readUnet2dConditionConfig(source.json('unet/config.json'));
    expect(levels.map(({ channels, numHeads }) => channels / numHeads)).toEqual(
      name === 'sd1' ? [40, 80, 160, 160] : levels.map(() => 64),
    );
  });
});

it('should pad as the published tokenizers do', async () => {
  const [sd1, sd2, sdxl] = await Promise.all(['sd1', 'sd2', 'sdxl'].map((name) => checkpoint(name)));
  expect(sd1?.padTokens.get('tokenizer')).toBe('<|endoftext|>');
  expect(sd2?.padTokens.get('tokenizer')).toBe('!');
  expect([...(sdxl?.padTokens.values() ?? [])]).toEqual(['<|endoftext|>', '!']);
});

it('should know the keys of SDXL models that predict v, from pure noise on', async () => {
  const v = (await checkpoint('sdxl', ['v_pred'])).configs.get('scheduler/scheduler_config.json');
  expect(v).toMatchObject({ prediction_type: 'v_prediction', rescale_betas_zero_snr: false });
  const zero = (await checkpoint('sdxl', ['v_pred', 'ztsnr'])).configs.get('scheduler/scheduler_config.json');
  expect(zero).toMatchObject({ prediction_type: 'v_prediction', rescale_betas_zero_snr: true });
});
