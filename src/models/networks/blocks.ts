/** @file The blocks that diffusers' UNet2DConditionModel and AutoencoderKL share, under the names of their weights. */

import { upsampleNearest } from '../graph/ops/convolution.js';
import type { Expression } from '../graph/ops/expression.js';
import type { LayerContext } from './layers.js';
import { conv2d, groupNorm, linear } from './layers.js';

export interface ResnetOptions {
  readonly channels: number;
  readonly numGroups: number;
  readonly epsilon: number;
  /** The time embedding [B, size] behind its activation; none in an autoencoder. */
  readonly time?: Expression;
}

/** ResnetBlock2D: norm, SiLU, convolution, twice; a 1x1 convolution on the way around where channels change. */
export function resnet(
  layer: LayerContext,
  scope: string,
  x: Expression,
  { channels, numGroups, epsilon, time }: ResnetOptions,
): Expression {
  const { g } = layer;
  return g.scoped(scope, () => {
    let h = conv2d(layer, 'conv1', groupNorm(layer, 'norm1', x, numGroups, epsilon).silu(), channels);
    if (time) {
      h = h.add(linear(layer, 'time_emb_proj', time, channels).reshape([0, channels, 1, 1]));
    }
    h = conv2d(layer, 'conv2', groupNorm(layer, 'norm2', h, numGroups, epsilon).silu(), channels);
    const around = x.shape[1] === channels ? x : conv2d(layer, 'conv_shortcut', x, channels, { kernel: 1 });
    return around.add(h);
  });
}

/** Twice the height and width, then a convolution. */
export function upsample(layer: LayerContext, scope: string, x: Expression): Expression {
  const { g } = layer;
  return g.scoped(`${scope}/upsamplers.0`, () =>
    conv2d(layer, 'conv', upsampleNearest(x, 2), x.shape[1] ?? 1),
  );
}

/** Half the height and width. */
export function downsample(layer: LayerContext, scope: string, x: Expression): Expression {
  return conv2d(layer, `${scope}/downsamplers.0/conv`, x, x.shape[1] ?? 1, { stride: 2 });
}

/** [B, C, H, W] -> [B, H·W, C]. */
export function toTokens(x: Expression): Expression {
  return x.reshape([0, x.shape[1] ?? 1, -1]).transpose([0, 2, 1]);
}

/** [B, H·W, C] -> [B, C, H, W], of the height and width of `like`. */
export function fromTokens(tokens: Expression, like: Expression): Expression {
  const [, , height = 1, width = 1] = like.shape;
  return tokens.transpose([0, 2, 1]).reshape([0, tokens.shape[2] ?? 1, height, width]);
}
