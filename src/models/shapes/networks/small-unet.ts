/**
 * @file The UNet of the shapes model: a small relative of diffusers' UNet2DConditionModel, with its names of nodes and
 * weights. Each resolution has one residual block, and one skip connection.
 */

import { at } from '../../../at.js';
import { concat, type Expression } from '../../graph/ops/expression.js';
import { downsample, residualBlock, timeMlp, upsample } from '../../networks/blocks.js';
import {
  conv2d,
  feedForward,
  groupNorm,
  type LayerContext,
  NORM_EPSILON,
  timestepEmbedding,
} from '../../networks/layers.js';
import { transformer2d } from '../../networks/transformer-2d.js';

export interface SmallUnetConfig {
  readonly channels: number;
  /** Finest resolution first; each is half as fine as the one before. */
  readonly levels: readonly SmallUnetLevel[];
  readonly attentionHeadSize: number;
  readonly normNumGroups: number;
  readonly timeEmbedSize: number;
  readonly feedForwardMultiple: number;
}

interface SmallUnetLevel {
  readonly channels: number;
  /** Whether attention follows the residual blocks. */
  readonly attends: boolean;
}

interface SmallUnetInputs {
  /** [B, C, H, W] float32. */
  readonly sample: Expression;
  /** [B], training timesteps. */
  readonly timestep: Expression;
  /** [B, tokens, width] float32. */
  readonly encoderHiddenStates: Expression;
}

/** Scale of the first weights of what is added to a block's input. */
const RESIDUAL_GAIN = 0.3;

/** Appends the network; returns its output [B, C, H, W], which means what the scheduler's prediction type says. */
export function smallUnet(
  layer: LayerContext,
  config: SmallUnetConfig,
  { sample, timestep, encoderHiddenStates: context }: SmallUnetInputs,
): Expression {
  const { levels, timeEmbedSize, attentionHeadSize: headSize, normNumGroups: numGroups } = config;
  const waves = timestepEmbedding(timestep, timeEmbedSize / 2);
  const time = timeMlp(layer, 'time_embedding', waves, timeEmbedSize).silu();
  const gain = RESIDUAL_GAIN;

  const residual = (scope: string, x: Expression, channels: number) =>
    residualBlock(layer, scope, x, { channels, numGroups, time, gain });
  const attend = (scope: string, x: Expression) =>
    transformer2d(layer, scope, x, {
      context,
      headSize,
      numLayers: 1,
      numGroups,
      epsilon: NORM_EPSILON,
      useLinearProjection: true,
      gain,
      feedForward: (block, name, h) => feedForward(block, name, h, config.feedForwardMultiple),
    });
  const block = (scope: string, x: Expression, { channels, attends }: SmallUnetLevel) => {
    const h = residual(`${scope}/resnets.0`, x, channels);
    return attends ? attend(`${scope}/attentions.0`, h) : h;
  };

  let x = conv2d(layer, 'conv_in', sample, { channels: at(levels, 0).channels });
  const skips: Expression[] = [];
  for (const [index, level] of levels.entries()) {
    x = block(`down_blocks.${index}`, x, level);
    skips.push(x);
    if (index < levels.length - 1) x = downsample(layer, `down_blocks.${index}`, x);
  }

  const { channels: deepest } = at(levels, -1);
  x = block('mid_block', x, { channels: deepest, attends: true });
  x = residual('mid_block/resnets.1', x, deepest);

  for (const [index, level] of levels.toReversed().entries()) {
    x = concat([x, at(skips, -1 - index)], 1);
    x = block(`up_blocks.${index}`, x, level);
    const finer = levels[levels.length - 2 - index];
    if (finer) x = upsample(layer, `up_blocks.${index}`, x, finer.channels);
  }

  x = groupNorm(layer, 'conv_norm_out', x, { numGroups }).silu();
  return conv2d(layer, 'conv_out', x, { channels: config.channels, gain: 0.1 });
}
