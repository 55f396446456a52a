/**
 * @file A small text-conditional UNet of the Stable Diffusion family: residual blocks with a time embedding, transformer
 * blocks with self- and cross-attention, skip connections. Node and weight names are those of diffusers' UNet2DConditionModel.
 */

import type { Value } from '../../graph/graph.js';
import * as op from '../../graph/ops/index.js';
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
  readonly sample: Value;
  /** [B], training timesteps. */
  readonly timestep: Value;
  /** [B, tokens, width] float32. */
  readonly encoderHiddenStates: Value;
}

/** Appends the network; returns its output [B, C, H, W], read by the scheduler's prediction type. */
export function unet(
  layer: LayerContext,
  config: UNetConfig,
  { sample, timestep, encoderHiddenStates }: UNetInputs,
): Value {
  const { g } = layer;
  const { blockOutChannels, attentionBlocks } = config;
  const lastBlock = blockOutChannels.length - 1;
  const time = op.silu(g, timeEmbedding(layer, config, timestep));
  const block = (scope: string, x: Value, channels: number, withAttention: boolean, index: number) => {
    const mixed = residualBlock(layer, `${scope}/resnets.${index}`, x, time, channels, config);
    return withAttention
      ? transformer(layer, `${scope}/attentions.${index}`, mixed, encoderHiddenStates, config)
      : mixed;
  };

  let x = conv2d(layer, 'conv_in', sample, blockOutChannels[0] ?? 1);
  const skips: Value[] = [];
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
    x = op.concat(g, [x, skips[level] as Value], 1);
    x = block(`up_blocks.${index}`, x, channels, attentionBlocks[level] ?? false, 0);
    if (level > 0) {
      x = g.scoped(`up_blocks.${index}/upsamplers.0`, () => op.upsampleNearest(g, x, 2));
      x = conv2d(layer, `up_blocks.${index}/upsamplers.0/conv`, x, blockOutChannels[level - 1] ?? 1);
    }
  });

  x = op.silu(g, groupNorm(layer, 'conv_norm_out', x, config.normNumGroups));
  return conv2d(layer, 'conv_out', x, config.inChannels, { gain: 0.1 });
}

function timeEmbedding(layer: LayerContext, { timeEmbedSize }: UNetConfig, timestep: Value): Value {
  const { g } = layer;
  const waves = timestepEmbedding(g, timestep, timeEmbedSize / 2);
  return g.scoped('time_embedding', () =>
    linear(layer, 'linear_2', op.silu(g, linear(layer, 'linear_1', waves, timeEmbedSize)), timeEmbedSize),
  );
}

/** x + conv(silu(norm(conv(silu(norm x)) + time))), with a 1x1 convolution on the way around where channels change. */
function residualBlock(
  layer: LayerContext,
  scope: string,
  x: Value,
  time: Value,
  channels: number,
  { normNumGroups }: UNetConfig,
): Value {
  const { g } = layer;
  return g.scoped(scope, () => {
    let h = conv2d(layer, 'conv1', op.silu(g, groupNorm(layer, 'norm1', x, normNumGroups)), channels);
    h = op.add(g, h, op.reshape(g, linear(layer, 'time_emb_proj', time, channels), [0, channels, 1, 1]));
    h = conv2d(layer, 'conv2', op.silu(g, groupNorm(layer, 'norm2', h, normNumGroups)), channels, {
      gain: 0.3,
    });
    return op.add(
      g,
      x.shape[1] === channels ? x : conv2d(layer, 'conv_shortcut', x, channels, { kernel: 1 }),
      h,
    );
  });
}

/** Positions become tokens: self-attention, cross-attention to the prompt, feed-forward; added to x. */
function transformer(
  layer: LayerContext,
  scope: string,
  x: Value,
  encoderHiddenStates: Value,
  config: UNetConfig,
): Value {
  const { g } = layer;
  const [, channels = 1, height = 1, width = 1] = x.shape;
  return g.scoped(scope, () => {
    const tokens = op.transpose(
      g,
      op.reshape(g, groupNorm(layer, 'norm', x, config.normNumGroups), [0, channels, -1]),
      [0, 2, 1],
    );
    let h = linear(layer, 'proj_in', tokens, channels);
    h = g.scoped('transformer_blocks.0', () => {
      const normed = layerNorm(layer, 'norm1', h);
      let mixed = op.add(g, h, attention(layer, 'attn1', normed, normed, config.attentionHeadSize));
      mixed = op.add(
        g,
        mixed,
        attention(
          layer,
          'attn2',
          layerNorm(layer, 'norm2', mixed),
          encoderHiddenStates,
          config.attentionHeadSize,
        ),
      );
      return op.add(
        g,
        mixed,
        feedForward(layer, 'ff', layerNorm(layer, 'norm3', mixed), config.feedForwardMultiple),
      );
    });
    h = linear(layer, 'proj_out', h, channels, { gain: 0.3 });
    return op.add(g, x, op.reshape(g, op.transpose(g, h, [0, 2, 1]), [0, channels, height, width]));
  });
}
