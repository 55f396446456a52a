/** @file The decoder of diffusers' AutoencoderKL as a graph: latents -> pictures. */

import * as z from 'zod';
import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import type { Expression } from '../graph/ops/expression.js';
import { fromTokens, residualBlock, toTokens, upsample } from './blocks.js';
import {
  absent,
  count,
  flag,
  named,
  objectOf,
  parts,
  perResolution,
  scalingFactor,
  shiftFactor,
} from './config-fields.js';
import { attention, conv2d, groupNorm, type LayerContext } from './layers.js';

export interface AutoencoderConfig {
  readonly latentChannels: number;
  readonly imageChannels: number;
  /** Finest first; each is half as fine as the one before. */
  readonly blockOutChannels: readonly number[];
  readonly layersPerBlock: number;
  readonly normNumGroups: number;
  readonly hasPostQuantConv: boolean;
  readonly midBlockAttends: boolean;
  /** Latents are divided by it before they are decoded. */
  readonly scalingFactor: number;
  /** Is added to latents after that. */
  readonly shift: number;
  /** Size of the pictures that it was trained on; null if the file does not say. */
  readonly sampleSize: number | null;
}

/** Epsilon of every norm of the autoencoder. */
const EPSILON = 1e-6;
const SUPPORTED = 'Use an AutoencoderKL such as those of SD 1.x, SD 2.x and SDXL, or one exported to ONNX.';

/** A size, or [height, width], of which diffusers takes the first. */
export const sampleSizeField = z
  .union([count(), z.array(count()).transform(([height = 1]) => height)], { error: 'expected a size' })
  .nullable()
  .default(null);

const schema = objectOf({
  latent_channels: count().default(4),
  out_channels: count().default(3),
  block_out_channels: perResolution(count(), 'expected a list of channels'),
  up_block_types: perResolution(named(['UpDecoderBlock2D']), 'expected a list of block types'),
  layers_per_block: parts().default(1),
  norm_num_groups: count().default(32),
  act_fn: named(['silu', 'swish']).default('silu'),
  use_post_quant_conv: flag().default(true),
  mid_block_add_attention: flag().default(true),
  scaling_factor: scalingFactor().default(0.18215),
  sample_size: sampleSizeField,
  shift_factor: shiftFactor(),
  ...absent(['latents_mean', 'latents_std']),
});

/** Reads the config of an AutoencoderKL. Errors: TRIB_MODEL, naming the file, the key and what is supported. */
export async function readAutoencoderConfig(path: JsonFile): Promise<AutoencoderConfig> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  const unfit = json.block_out_channels.find((channels) => channels % json.norm_num_groups !== 0);
  if (unfit !== undefined || json.up_block_types.length !== json.block_out_channels.length) {
    const text = `${path} block_out_channels: expected ${json.up_block_types.length} multiples of norm_num_groups ${json.norm_num_groups}, got [${json.block_out_channels.join(', ')}]. ${SUPPORTED}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  return {
    latentChannels: json.latent_channels,
    imageChannels: json.out_channels,
    blockOutChannels: json.block_out_channels,
    layersPerBlock: json.layers_per_block,
    normNumGroups: json.norm_num_groups,
    hasPostQuantConv: json.use_post_quant_conv,
    midBlockAttends: json.mid_block_add_attention,
    scalingFactor: json.scaling_factor,
    shift: json.shift_factor,
    sampleSize: json.sample_size,
  };
}

/** How much larger a picture is than its latents. */
export const upscaling = ({ blockOutChannels }: AutoencoderConfig) => 2 ** (blockOutChannels.length - 1);

/** Appends the decoder: input `latent_sample` [B, C, h, w], output `sample` [B, 3, H, W]. */
export function autoencoderKlDecoder(
  layer: LayerContext,
  config: AutoencoderConfig,
  latentShape: readonly number[],
): void {
  const { g } = layer;
  const { blockOutChannels, latentChannels, normNumGroups: numGroups } = config;
  const coarseToFine = blockOutChannels.toReversed();
  const block = (scope: string, x: Expression, channels: number) =>
    residualBlock(layer, scope, x, { channels, numGroups, epsilon: EPSILON });
  let x = g.input('latent_sample', 'float32', latentShape);
  if (config.hasPostQuantConv)
    x = conv2d(layer, 'post_quant_conv', x, { channels: latentChannels, kernel: 1 });
  const pictures = g.scoped('decoder', () => {
    const deepest = at(coarseToFine, 0);
    x = conv2d(layer, 'conv_in', x, { channels: deepest });
    x = block('mid_block/resnets.0', x, deepest);
    if (config.midBlockAttends) x = spatialAttention(layer, 'mid_block/attentions.0', x, numGroups);
    x = block('mid_block/resnets.1', x, deepest);
    for (const [height, channels] of coarseToFine.entries()) {
      const scope = `up_blocks.${height}`;
      for (let index = 0; index <= config.layersPerBlock; index++)
        x = block(`${scope}/resnets.${index}`, x, channels);
      if (height < coarseToFine.length - 1) x = upsample(layer, scope, x);
    }
    x = groupNorm(layer, 'conv_norm_out', x, { numGroups, epsilon: EPSILON }).silu();
    return conv2d(layer, 'conv_out', x, { channels: config.imageChannels });
  });
  g.output(pictures, 'sample');
}

/** Every position attends to every other, with one head. */
function spatialAttention(layer: LayerContext, scope: string, x: Expression, numGroups: number): Expression {
  const tokens = layer.g.scoped(scope, () =>
    toTokens(groupNorm(layer, 'group_norm', x, { numGroups, epsilon: EPSILON })),
  );
  const mixed = attention(layer, scope, tokens, { headSize: at(x.shape, 1), bias: true });
  return x.add(fromTokens(mixed, x));
}
