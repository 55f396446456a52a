/** @file The blocks that diffusers' UNet2DConditionModel and AutoencoderKL share, under the names of their weights. */

import type { Value } from '../graph/graph.js';
import * as op from '../graph/ops/index.js';
import type { LayerContext } from './layers.js';
import { conv2d, groupNorm, linear } from './layers.js';

export interface ResnetOptions {
  readonly channels: number;
  readonly numGroups: number;
  readonly epsilon: number;
  /** The time embedding [B, size] behind its activation; none in an autoencoder. */
  readonly time?: Value;
}

/** ResnetBlock2D: norm, SiLU, convolution, twice; a 1x1 convolution on the way around where channels change. */
export function resnet(
  layer: LayerContext,
  scope: string,
  x: Value,
  { channels, numGroups, epsilon, time }: ResnetOptions,
): Value {
  const { g } = layer;
  return g.scoped(scope, () => {
    let h = conv2d(layer, 'conv1', op.silu(g, groupNorm(layer, 'norm1', x, numGroups, epsilon)), channels);
    if (time) {
      h = op.add(g, h, op.reshape(g, linear(layer, 'time_emb_proj', time, channels), [0, channels, 1, 1]));
    }
    h = conv2d(layer, 'conv2', op.silu(g, groupNorm(layer, 'norm2', h, numGroups, epsilon)), channels);
    const around = x.shape[1] === channels ? x : conv2d(layer, 'conv_shortcut', x, channels, { kernel: 1 });
    return op.add(g, around, h);
  });
}

/** Twice the height and width, then a convolution. */
export function upsample(layer: LayerContext, scope: string, x: Value): Value {
  const { g } = layer;
  return g.scoped(`${scope}/upsamplers.0`, () =>
    conv2d(layer, 'conv', op.upsampleNearest(g, x, 2), x.shape[1] ?? 1),
  );
}

/** Half the height and width. */
export function downsample(layer: LayerContext, scope: string, x: Value): Value {
  return conv2d(layer, `${scope}/downsamplers.0/conv`, x, x.shape[1] ?? 1, { stride: 2 });
}

/** [B, C, H, W] -> [B, H·W, C]. */
export function toTokens({ g }: LayerContext, x: Value): Value {
  return op.transpose(g, op.reshape(g, x, [0, x.shape[1] ?? 1, -1]), [0, 2, 1]);
}

/** [B, H·W, C] -> [B, C, H, W], of the height and width of `like`. */
export function fromTokens({ g }: LayerContext, tokens: Value, like: Value): Value {
  const [, , height = 1, width = 1] = like.shape;
  return op.reshape(g, op.transpose(g, tokens, [0, 2, 1]), [0, tokens.shape[2] ?? 1, height, width]);
}
