/**
 * @file A pipeline folder of Stable Diffusion 1.5's size, of random weights: the UNet with its 859.5 million parameters, a
 * text encoder of one layer that is as wide as it must be, and the tiny fixture's tokenizer and autoencoder.
 */

import { copyFile, cp, link, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GraphBuilder } from '../../dist/models/graph/ops/builder.js';
import { clipTextModel, readClipTextConfig } from '../../dist/models/networks/clip-text-model.js';
import { unet2dCondition } from '../../dist/models/networks/unet-2d-condition.js';
import { readUnet2dConditionConfig } from '../../dist/models/networks/unet-config.js';
import { trainableWeights } from '../../dist/models/networks/weights.js';
import { counterRandom } from '../../dist/models/random/counter-random.js';

const FIXTURE = 'test/fixtures/stable-diffusion/sd1';
const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const TOKENS = 77;

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
 * Makes the folder for pictures of `size` pixels under `root`, or finds it there. Weights are normal, of the standard
 * deviation that keeps activations as large as they come; folders of several sizes share one file of them.
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
  await wideTextEncoder(join(folder, 'text_encoder'));
  return folder;
}

async function wideTextEncoder(folder) {
  const path = join(folder, 'config.json');
  const wide = {
    ...JSON.parse(await readFile(path, 'utf8')),
    hidden_size: UNET.cross_attention_dim,
    intermediate_size: UNET.cross_attention_dim,
    num_attention_heads: 12,
    num_hidden_layers: 1,
  };
  await writeFile(path, JSON.stringify(wide, null, 2));
  const config = await readClipTextConfig(path);
  await writeRandom(join(folder, 'model.safetensors'), (layer) => clipTextModel(layer, config, TOKENS));
}

/** Writes what a network asks for, tensor by tensor. */
async function writeRandom(path, network) {
  const specs = [];
  const g = new GraphBuilder();
  network({ g, weights: trainableWeights(g, specs), matrixLayout: 'out-in' });
  const count = (shape) => shape.reduce((product, axis) => product * axis, 1);
  let end = 0;
  const header = {};
  for (const { name, shape } of specs) {
    const start = end;
    end += 4 * count(shape);
    const stored = shape.length === 3 ? shape.slice(0, 1) : shape;
    header[name] = { dtype: 'F32', shape: stored, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const partial = `${path}.partial`;
  const file = await open(partial, 'w');
  try {
    await file.write(length);
    await file.write(padded);
    for (const [index, { shape, initialization }] of specs.entries()) {
      const values =
        'constant' in initialization
          ? new Float32Array(count(shape)).fill(initialization.constant)
          : normal(index, count(shape), initialization.stdDev);
      await file.write(new Uint8Array(values.buffer));
    }
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

const table = counterRandom({ seed: 0, purpose: 'parameter-init' }).normal(2 ** 22);

/** Numbers out of one table, which is long enough for no row of a weight to be another's. */
function normal(index, length, stdDev) {
  const values = new Float32Array(length);
  for (let i = 0, from = index * 7919; i < length; i++, from++)
    values[i] = stdDev * table[from % table.length];
  return values;
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
