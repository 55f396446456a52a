/**
 * @file A small text-conditional UNet of the Stable Diffusion family: residual blocks with a time embedding, transformer
 * blocks with self- and cross-attention, skip connections. Node and weight names are those of diffusers' UNet2DConditionModel.
 */

import { upsampleNearest } from '../../graph/ops/convolution.js';
import { concat, type Expression } from '../../graph/ops/expression.js';
import type { LayerContext } from '../../networks/layers.js';
import {
  attention,
  conv2d,
  feedForward,
  groupNorm,
  layerNorm,
  linear,
  timestepEmbedding,
} from '../../networks/layers.js';

export interface UNetConfig {
  readonly inChannels: number;
  /** Channels at every resolution, finest first; each is half as fine as the one before. */
  readonly blockOutChannels: readonly number[];
  /** At which resolutions residual blocks are followed by attention. */
  readonly attentionBlocks: readonly boolean[];
  readonly attentionHeadSize: number;
  readonly normNumGroups: number;
  readonly timeEmbedSize: number;
  readonly feedForwardMultiple: number;
}

export interface UNetInputs {
  /** [B, C, H, W] float32. */
  readonly sample: Expression;
  /** [B], training timesteps. */
  readonly timestep: Expression;
  /** [B, tokens, width] float32. */
  readonly encoderHiddenStates: Expression;
}

/** Appends the network; returns its output [B, C, H, W], read by the scheduler's prediction type. */
export function unet(
  layer: LayerContext,
  config: UNetConfig,
  { sample, timestep, encoderHiddenStates }: UNetInputs,
): Expression {
  const { g } = layer;
  const { blockOutChannels, attentionBlocks } = config;
  const lastBlock = blockOutChannels.length - 1;
  const time = timeEmbedding(layer, config, timestep).silu();
  const block = (scope: string, x: Expression, channels: number, withAttention: boolean, index: number) => {
    const mixed = residualBlock(layer, `${scope}/resnets.${index}`, x, time, channels, config);
    return withAttention
      ? transformer(layer, `${scope}/attentions.${index}`, mixed, encoderHiddenStates, config)
      : mixed;
  };

  let x = conv2d(layer, 'conv_in', sample, blockOutChannels[0] ?? 1);
  const skips: Expression[] = [];
  blockOutChannels.forEach((channels, level) => {
    x = block(`down_blocks.${level}`, x, channels, attentionBlocks[level] ?? false, 0);
    skips.push(x);
    if (level < lastBlock)
      x = conv2d(layer, `down_blocks.${level}/downsamplers.0/conv`, x, channels, { stride: 2 });
  });

  const deepest = blockOutChannels[lastBlock] ?? 1;
  x = block('mid_block', x, deepest, true, 0);
  x = residualBlock(layer, 'mid_block/resnets.1', x, time, deepest, config);

  blockOutChannels.toReversed().forEach((channels, index) => {
    const level = lastBlock - index;
    x = concat([x, skips[level] as Expression], 1);
    x = block(`up_blocks.${index}`, x, channels, attentionBlocks[level] ?? false, 0);
    if (level > 0) {
      x = g.scoped(`up_blocks.${index}/upsamplers.0`, () => upsampleNearest(x, 2));
      x = conv2d(layer, `up_blocks.${index}/upsamplers.0/conv`, x, blockOutChannels[level - 1] ?? 1);
    }
  });

  x = groupNorm(layer, 'conv_norm_out', x, config.normNumGroups).silu();
  return conv2d(layer, 'conv_out', x, config.inChannels, { gain: 0.1 });
}

function timeEmbedding(layer: LayerContext, { timeEmbedSize }: UNetConfig, timestep: Expression): Expression {
  const { g } = layer;
  const waves = timestepEmbedding(timestep, timeEmbedSize / 2);
  return g.scoped('time_embedding', () =>
    linear(layer, 'linear_2', linear(layer, 'linear_1', waves, timeEmbedSize).silu(), timeEmbedSize),
  );
}

/** x + conv(silu(norm(conv(silu(norm x)) + time))), with a 1x1 convolution on the way around where channels change. */
function residualBlock(
  layer: LayerContext,
  scope: string,
  x: Expression,
  time: Expression,
  channels: number,
  { normNumGroups }: UNetConfig,
): Expression {
  const { g } = layer;
  return g.scoped(scope, () => {
    let h = conv2d(layer, 'conv1', groupNorm(layer, 'norm1', x, normNumGroups).silu(), channels);
    h = h.add(linear(layer, 'time_emb_proj', time, channels).reshape([0, channels, 1, 1]));
    h = conv2d(layer, 'conv2', groupNorm(layer, 'norm2', h, normNumGroups).silu(), channels, {
      gain: 0.3,
    });
    return (x.shape[1] === channels ? x : conv2d(layer, 'conv_shortcut', x, channels, { kernel: 1 })).add(h);
  });
}

/** Positions become tokens: self-attention, cross-attention to the prompt, feed-forward; added to x. */
function transformer(
  layer: LayerContext,
  scope: string,
  x: Expression,
  encoderHiddenStates: Expression,
  config: UNetConfig,
): Expression {
  const { g } = layer;
  const [, channels = 1, height = 1, width = 1] = x.shape;
  return g.scoped(scope, () => {
    const tokens = groupNorm(layer, 'norm', x, config.normNumGroups)
      .reshape([0, channels, -1])
      .transpose([0, 2, 1]);
    let h = linear(layer, 'proj_in', tokens, channels);
    h = g.scoped('transformer_blocks.0', () => {
      const normed = layerNorm(layer, 'norm1', h);
      let mixed = h.add(attention(layer, 'attn1', normed, normed, config.attentionHeadSize));
      mixed = mixed.add(
        attention(
          layer,
          'attn2',
          layerNorm(layer, 'norm2', mixed),
          encoderHiddenStates,
          config.attentionHeadSize,
        ),
      );
      return mixed.add(
        feedForward(layer, 'ff', layerNorm(layer, 'norm3', mixed), config.feedForwardMultiple),
      );
    });
    h = linear(layer, 'proj_out', h, channels, { gain: 0.3 });
    return x.add(h.transpose([0, 2, 1]).reshape([0, channels, height, width]));
  });
}
