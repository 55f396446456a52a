/**
 * @file A pipeline folder of Stable Diffusion 1.5's size, of random weights: the UNet with its 859.5 million parameters, a
 * text encoder of one layer that is as wide as it must be, and the tiny fixture's tokenizer and autoencoder.
 */

import { copyFile, cp, link, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unet2dCondition } from '../../dist/models/networks/unet-2d-condition.js';
import { readUnet2dConditionConfig } from '../../dist/models/networks/unet-config.js';
import { writeRandom } from '../random-weights.mjs';
import { TOKENS, widenTextEncoder } from '../wide-text-encoder.mjs';

const FIXTURE = 'test/fixtures/stable-diffusion/sd1';
const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/** What `unet/config.json` of Stable Diffusion 1.5 says. */
const UNET = {
  _class_name: 'UNet2DConditionModel',
  act_fn: 'silu',
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  center_input_sample: false,
  cross_attention_dim: 768,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
};

/**
 * Makes the folder for pictures of `size` pixels under `root`, or finds it there. Folders of several sizes share one file
 * of weights.
 * @returns the folder.
 */
export async function randomFolder(root, size) {
  await mkdir(root, { recursive: true });
  const folder = join(root, `sd15-${size}`);
  const weights = join(root, WEIGHTS);
  await cp(FIXTURE, folder, { recursive: true });
  const sampleSize = size / 8;
  const config = join(folder, 'unet/config.json');
  await writeFile(config, JSON.stringify({ ...UNET, sample_size: sampleSize }, null, 2));
  const unet = await readUnet2dConditionConfig(config);
  const sizes = { rows: 1, sampleSize: unet.sampleSize, tokens: TOKENS };
  if (!(await exists(weights))) await writeRandom(weights, (layer) => unet2dCondition(layer, unet, sizes));
  await linkOrCopy(weights, join(folder, 'unet', WEIGHTS));
  await widenTextEncoder(join(folder, 'text_encoder'), UNET.cross_attention_dim);
  return folder;
}

const exists = (path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Without a second copy on disk where the file system can. */
async function linkOrCopy(from, to) {
  await rm(to, { force: true });
  await link(from, to).catch(() => copyFile(from, to));
}
