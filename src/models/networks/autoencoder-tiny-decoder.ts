/** @file The decoder of diffusers' AutoencoderTiny (TAESD) as a graph: latents -> pictures. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { upsampleNearest } from '../graph/ops/convolution.js';
import type { Expression } from '../graph/ops/expression.js';
import {
  absent,
  count,
  named,
  objectOf,
  parts,
  perResolution,
  scalingFactor,
  shiftFactor,
} from './config-fields.js';
import { conv2d, type LayerContext } from './layers.js';

export interface AutoencoderTinyConfig {
  readonly latentChannels: number;
  readonly imageChannels: number;
  readonly channels: number;
  /** Residual blocks of every resolution, coarsest first. */
  readonly blocks: readonly number[];
  readonly activation: 'relu' | 'silu' | 'swish' | 'gelu';
  /** Latents are divided by it before they are decoded; 1 in every published file. */
  readonly scalingFactor: number;
  readonly shift: number;
  /** From one resolution to the next. */
  readonly upsampling: number;
}

const SUPPORTED = 'Use an AutoencoderTiny such as TAESD, an AutoencoderKL, or one exported to ONNX.';

const schema = objectOf({
  latent_channels: count().default(4),
  out_channels: count().default(3),
  decoder_block_out_channels: perResolution(count(), 'expected a list of channels').default([64, 64, 64, 64]),
  num_decoder_blocks: perResolution(parts(), 'expected a list of numbers').default([3, 3, 3, 1]),
  act_fn: named(['relu', 'silu', 'swish', 'gelu']).default('relu'),
  upsample_fn: named(['nearest']).default('nearest'),
  upsampling_scaling_factor: count(16).default(2),
  scaling_factor: scalingFactor().default(1),
  shift_factor: shiftFactor(),
  ...absent(['latents_mean', 'latents_std']),
});

/** Reads the config of an AutoencoderTiny. Errors: TRIB_MODEL, naming the file, the key and what is supported. */
export async function readAutoencoderTinyConfig(path: JsonFile): Promise<AutoencoderTinyConfig> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  const { decoder_block_out_channels: widths, num_decoder_blocks: blocks } = json;
  const channels = at(widths, 0);
  if (widths.length !== blocks.length || widths.some((width) => width !== channels)) {
    const text = `${path} decoder_block_out_channels: expected ${blocks.length} equal numbers as in num_decoder_blocks, got [${widths.join(', ')}]. ${SUPPORTED}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  return {
    latentChannels: json.latent_channels,
    imageChannels: json.out_channels,
    channels,
    blocks,
    activation: json.act_fn,
    scalingFactor: json.scaling_factor,
    shift: json.shift_factor,
    upsampling: json.upsampling_scaling_factor,
  };
}

/**
 * Appends the decoder: input `latent_sample` [B, C, h, w], output `sample` [B, 3, H, W], 2 D(3 tanh(x / 3)) - 1 with layers D
 * that are numbered through.
 */
export function autoencoderTinyDecoder(
  layer: LayerContext,
  config: AutoencoderTinyConfig,
  latentShape: readonly number[],
): void {
  const { g } = layer;
  const { channels, blocks, activation } = config;
  const active = (x: Expression) => {
    if (activation === 'relu') return x.relu();
    return activation === 'gelu' ? x.gelu() : x.silu();
  };
  const latents = g.input('latent_sample', 'float32', latentShape);
  const pictures = g.scoped('decoder', () => {
    let place = 0;
    const next = () => `layers.${place++}`;
    const skipped = () => {
      place++;
    };
    let x = active(conv2d(layer, next(), latents.div(3).tanh().mul(3), { channels }));
    skipped(); // the activation
    for (const [stage, count] of blocks.entries()) {
      const isLast = stage === blocks.length - 1;
      for (let block = 0; block < count; block++) {
        const scope = next();
        const inner = active(conv2d(layer, `${scope}/conv.0`, x, { channels }));
        const outer = active(conv2d(layer, `${scope}/conv.2`, inner, { channels }));
        x = conv2d(layer, `${scope}/conv.4`, outer, { channels }).add(x).relu();
      }
      if (!isLast) {
        x = upsampleNearest(x, config.upsampling);
        skipped();
      }
      x = conv2d(layer, next(), x, { channels: isLast ? config.imageChannels : channels, bias: isLast });
    }
    return x.mul(2).sub(1);
  });
  g.output(pictures, 'sample');
}
