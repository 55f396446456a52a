/** @file The blocks that UNets and AutoencoderKL share, under the names that diffusers gives their weights. */

import { at } from '../../at.js';
import { upsampleNearest } from '../graph/ops/convolution.js';
import type { Expression } from '../graph/ops/expression.js';
import { conv2d, groupNorm, type LayerContext, linear } from './layers.js';

interface ResidualBlockOptions {
  readonly channels: number;
  readonly numGroups: number;
  readonly epsilon?: number;
  /** The time embedding [B, size] after its activation; none in an autoencoder. */
  readonly time?: Expression;
  /** Scale of the last convolution's first weights. */
  readonly gain?: number;
}

/** x + conv(silu(norm(conv(silu(norm x)) + time))), with a 1x1 convolution of x where channels change (ResnetBlock2D). */
export function residualBlock(
  layer: LayerContext,
  scope: string,
  x: Expression,
  { channels, numGroups, epsilon, time, gain }: ResidualBlockOptions,
): Expression {
  return layer.g.scoped(scope, () => {
    let h = groupNorm(layer, 'norm1', x, { numGroups, epsilon }).silu();
    h = conv2d(layer, 'conv1', h, { channels });
    if (time) {
      h = h.add(linear(layer, 'time_emb_proj', time, { features: channels }).reshape([0, channels, 1, 1]));
    }
    h = groupNorm(layer, 'norm2', h, { numGroups, epsilon }).silu();
    h = conv2d(layer, 'conv2', h, { channels, gain });
    const around = x.shape[1] === channels ? x : conv2d(layer, 'conv_shortcut', x, { channels, kernel: 1 });
    return around.add(h);
  });
}

/** Twice the height and width, then a convolution. */
export function upsample(
  layer: LayerContext,
  scope: string,
  x: Expression,
  channels = at(x.shape, 1),
): Expression {
  return layer.g.scoped(`${scope}/upsamplers.0`, () =>
    conv2d(layer, 'conv', upsampleNearest(x, 2), { channels }),
  );
}

/** Half the height and width. */
export function downsample(layer: LayerContext, scope: string, x: Expression): Expression {
  return conv2d(layer, `${scope}/downsamplers.0/conv`, x, { channels: at(x.shape, 1), stride: 2 });
}

/** Two linear layers with SiLU between: what becomes of the sinusoidal embedding of a timestep. */
export function timeMlp(layer: LayerContext, scope: string, x: Expression, features: number): Expression {
  return layer.g.scoped(scope, () => {
    const hidden = linear(layer, 'linear_1', x, { features }).silu();
    return linear(layer, 'linear_2', hidden, { features });
  });
}

/** [B, C, H, W] -> [B, H·W, C]. */
export function toTokens(x: Expression): Expression {
  return x.reshape([0, at(x.shape, 1), -1]).transpose([0, 2, 1]);
}

/** [B, H·W, C] -> [B, C, H, W], with the height and width of `like`. */
export function fromTokens(tokens: Expression, like: Expression): Expression {
  return tokens.transpose([0, 2, 1]).reshape([0, at(tokens.shape, 2), ...like.shape.slice(2)]);
}
