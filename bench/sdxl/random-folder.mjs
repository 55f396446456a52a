/**
 * @file A pipeline folder of SDXL's size, of random weights in half precision: the UNet with its 2,567 million parameters, text
 * encoders of one layer that are as wide as they must be, and the tiny fixture's tokenizers and autoencoder.
 */

import { cp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unet2dCondition } from '../../dist/models/networks/unet-2d-condition.js';
import { readUnet2dConditionConfig } from '../../dist/models/networks/unet-config.js';
import { writeRandom } from '../random-weights.mjs';
import { TOKENS, widenTextEncoder } from '../wide-text-encoder.mjs';

const FIXTURE = 'test/fixtures/stable-diffusion/sdxl';

/** What `unet/config.json` of SDXL base 1.0 says; `--small` divides channels by 5, to try the script. */
const unetConfig = (size, divisor) => ({
  _class_name: 'UNet2DConditionModel',
  act_fn: 'silu',
  addition_embed_type: 'text_time',
  addition_embed_type_num_heads: 64,
  addition_time_embed_dim: 256,
  attention_head_dim: [5, 10, 20].map((heads) => heads / Math.min(5, divisor)),
  block_out_channels: [320, 640, 1280].map((channels) => channels / divisor),
  center_input_sample: false,
  cross_attention_dim: 2048,
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  projection_class_embeddings_input_dim: 2816,
  sample_size: size / 8,
  transformer_layers_per_block: [1, 2, 10],
  up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  use_linear_projection: true,
});

/** Widths of the two text encoders: 2048 for tokens together, 1280 for the pooled embedding. */
const WIDTHS = { text_encoder: 768, text_encoder_2: 1280 };

/** Makes the folder for pictures of `size` pixels, or finds it there. */
export async function randomFolder(folder, size, divisor = 1) {
  const complete = join(folder, 'complete');
  const isThere = await stat(complete).catch(() => null);
  if (isThere) return;
  await cp(FIXTURE, folder, { recursive: true });
  const config = join(folder, 'unet/config.json');
  await writeFile(config, JSON.stringify(unetConfig(size, divisor), null, 2));
  const unet = await readUnet2dConditionConfig(config);
  const sizes = { rows: 1, sampleSize: unet.sampleSize, tokens: TOKENS };
  const unetWeights = join(folder, 'unet', 'diffusion_pytorch_model.fp16.safetensors');
  await writeRandom(unetWeights, (layer) => unet2dCondition(layer, unet, sizes), 'F16');
  for (const [part, width] of Object.entries(WIDTHS))
    await widenTextEncoder(join(folder, part), width, {
      more: part === 'text_encoder_2' ? { projection_dim: width } : {},
      file: 'model.fp16.safetensors',
      dtype: 'F16',
    });
  await writeFile(complete, '');
}

export const removeFolder = (folder) => rm(folder, { recursive: true, force: true });
