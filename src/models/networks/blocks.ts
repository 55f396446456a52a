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
  /** Whether time scales and shifts what the second norm gives; default: it is added before that norm. */
  readonly timeScalesAndShifts?: boolean;
  /** Scale of the last convolution's first weights. */
  readonly gain?: number;
}

/**
 * x + conv(silu(norm(conv(silu(norm x)) + time))), with a 1x1 convolution of x where channels change (ResnetBlock2D); where
 * time scales and shifts, x + conv(silu(norm(conv(silu(norm x)))·(1 + scale) + shift)).
 */
export function residualBlock(
  layer: LayerContext,
  scope: string,
  x: Expression,
  { channels, numGroups, epsilon, time, timeScalesAndShifts = false, gain }: ResidualBlockOptions,
): Expression {
  return layer.g.scoped(scope, () => {
    let h = groupNorm(layer, 'norm1', x, { numGroups, epsilon }).silu();
    h = conv2d(layer, 'conv1', h, { channels });
    const features = timeScalesAndShifts ? 2 * channels : channels;
    const moved = time && linear(layer, 'time_emb_proj', time, { features }).reshape([0, features, 1, 1]);
    if (moved && !timeScalesAndShifts) h = h.add(moved);
    h = groupNorm(layer, 'norm2', h, { numGroups, epsilon });
    if (moved && timeScalesAndShifts) {
      const [scale, shift] = moved.split([channels, channels], 1) as [Expression, Expression];
      h = h.mul(scale.add(1)).add(shift);
    }
    h = conv2d(layer, 'conv2', h.silu(), { channels, gain });
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
