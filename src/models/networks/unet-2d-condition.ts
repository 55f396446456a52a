/** @file UNet2DConditionModel of diffusers as a graph: the denoiser of SD 1.x, SD 2.x and SDXL. */

import { concat, type Expression } from '../graph/ops/expression.js';
import { downsample, resnet, upsample } from './blocks.js';
import type { LayerContext } from './layers.js';
import { conv2d, groupNorm, linear, timestepEmbedding } from './layers.js';
import { transformer2d } from './transformer-2d.js';
import { NUM_TIME_IDS, type Unet2dConditionConfig, type UnetLevel } from './unet-config.js';

/** Sizes of the inputs of one run. */
interface UnetSizes {
  readonly rows: number;
  readonly sampleSize: readonly [height: number, width: number];
  /** Tokens of a prompt. */
  readonly tokens: number;
}

/**
 * Appends the network with its inputs and its output, named as optimum's exports name them.
 *
 * Inputs: `sample` [R, C, H, W], `timestep` [R] float32, `encoder_hidden_states` [R, tokens, width]; with added
 * embeddings (SDXL) `text_embeds` [R, P] and `time_ids` [R, 6]. Output: `out_sample` [R, C, H, W].
 */
export function unet2dCondition(
  layer: LayerContext,
  config: Unet2dConditionConfig,
  { rows, sampleSize, tokens }: UnetSizes,
): void {
  const { g } = layer;
  const sample = g.input('sample', 'float32', [rows, config.channels, ...sampleSize]);
  const timestep = g.input('timestep', 'float32', [rows]);
  const context = g.input('encoder_hidden_states', 'float32', [rows, tokens, config.crossAttentionDim]);
  const time = timeEmbedding(layer, config, timestep, rows).silu();
  const { levels, normNumGroups: numGroups, normEps: epsilon, useLinearProjection } = config;

  const block = (scope: string, index: number, x: Expression, level: UnetLevel, attends: boolean) => {
    const { channels, numHeads, transformerLayers: numLayers } = level;
    const h = resnet(layer, `${scope}/resnets.${index}`, x, { channels, numGroups, epsilon, time });
    if (!attends) return h;
    const options = { context, numHeads, numLayers, numGroups, useLinearProjection };
    return transformer2d(layer, `${scope}/attentions.${index}`, h, options);
  };

  let x = conv2d(layer, 'conv_in', sample, levels[0]?.channels ?? 1);
  const skips = [x];
  for (const [index, level] of levels.entries()) {
    const scope = `down_blocks.${index}`;
    for (let at = 0; at < level.layers; at++) {
      x = block(scope, at, x, level, level.attendsDown);
      skips.push(x);
    }
    if (index < levels.length - 1) {
      x = downsample(layer, scope, x);
      skips.push(x);
    }
  }

  const deepest = levels.at(-1) as UnetLevel;
  x = block('mid_block', 0, x, deepest, true);
  x = block('mid_block', 1, x, deepest, false);

  for (const [index, level] of levels.toReversed().entries()) {
    const scope = `up_blocks.${index}`;
    for (let at = 0; at <= level.layers; at++) {
      x = concat([x, skips.pop() as Expression], 1);
      x = block(scope, at, x, level, level.attendsUp);
    }
    if (index < levels.length - 1) x = upsample(layer, scope, x);
  }

  x = groupNorm(layer, 'conv_norm_out', x, numGroups, epsilon).silu();
  g.output(conv2d(layer, 'conv_out', x, config.channels), 'out_sample');
}

/** Of the timestep; plus that of the prompt as a whole and of the picture's sizes, where the network has it. */
function timeEmbedding(
  layer: LayerContext,
  config: Unet2dConditionConfig,
  timestep: Expression,
  rows: number,
): Expression {
  const { g } = layer;
  const { added, flipSinToCos: cosinesFirst, freqShift } = config;
  const width = config.levels[0]?.channels ?? 1;
  const embedded = (scope: string, x: Expression) =>
    g.scoped(scope, () => {
      const hidden = linear(layer, 'linear_1', x, 4 * width).silu();
      return linear(layer, 'linear_2', hidden, 4 * width);
    });
  const waves = timestepEmbedding(timestep, width, { cosinesFirst, freqShift });
  const time = embedded('time_embedding', waves);
  if (!added) return time;
  const textEmbeds = g.input('text_embeds', 'float32', [rows, added.pooledWidth]);
  const timeIds = g.input('time_ids', 'float32', [rows, NUM_TIME_IDS]);
  const sizes = timestepEmbedding(timeIds, added.timeEmbedDim, { cosinesFirst, freqShift }).reshape([
    -1,
    NUM_TIME_IDS * added.timeEmbedDim,
  ]);
  return time.add(embedded('add_embedding', concat([textEmbeds, sizes], 1)));
}
