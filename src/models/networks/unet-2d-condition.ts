/** @file UNet2DConditionModel of diffusers as a graph: the denoiser of SD 1.x, SD 2.x and SDXL. */

import { at } from '../../at.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import { downsample, residualBlock, timeMlp, upsample } from './blocks.js';
import { conv2d, groupNorm, type LayerContext, linear, timestepEmbedding } from './layers.js';
import { transformer2d } from './transformer-2d.js';
import { NUM_TIME_IDS, type Unet2dConditionConfig } from './unet-config.js';
import type { UnetLevel } from './unet-levels.js';

/** Where a residual block lies, and how many transformer blocks follow it; null where nothing attends. */
interface BlockPlace {
  readonly scope: string;
  readonly index: number;
  readonly transformers: number | null | undefined;
}

/**
 * Appends the network with its inputs and its output, named as optimum's exports name them.
 *
 * Inputs: `sample` [R, C + X, H, W] with X further channels, `timestep` [R] float32, `encoder_hidden_states` [R, tokens, width]; with added
 * embeddings (SDXL) `text_embeds` [R, P] and `time_ids` [R, 6]; with one of the guidance scale (LCM) `timestep_cond` [R, G].
 * Output: `out_sample` [R, C, H, W].
 */
export function unet2dCondition(
  layer: LayerContext,
  config: Unet2dConditionConfig,
  { rows, sampleSize, tokens }: { rows: number; sampleSize: readonly [number, number]; tokens: number },
): void {
  const { g } = layer;
  const sample = g.input('sample', 'float32', [rows, config.channels + config.extraChannels, ...sampleSize]);
  const timestep = g.input('timestep', 'float32', [rows]);
  const context = g.input('encoder_hidden_states', 'float32', [rows, tokens, config.crossAttentionDim]);
  const time = timeEmbedding(layer, config, timestep, rows).silu();
  const { levels, middle, normNumGroups: numGroups, normEps: epsilon, useLinearProjection } = config;
  const { timeScalesAndShifts } = config;

  const block = (
    { scope, index, transformers: numLayers = null }: BlockPlace,
    x: Expression,
    level: UnetLevel,
  ) => {
    const { channels, numHeads } = level;
    const options = { channels, numGroups, epsilon, time, timeScalesAndShifts };
    const h = residualBlock(layer, `${scope}/resnets.${index}`, x, options);
    if (numLayers === null) return h;
    const headSize = channels / numHeads;
    const attention = { context, headSize, numLayers, numGroups, useLinearProjection };
    return transformer2d(layer, `${scope}/attentions.${index}`, h, attention);
  };

  let x = conv2d(layer, 'conv_in', sample, { channels: at(levels, 0).channels });
  const skips = [x];
  for (const [depth, level] of levels.entries()) {
    const scope = `down_blocks.${depth}`;
    for (let index = 0; index < level.layers; index++) {
      x = block({ scope, index, transformers: level.transformersDown?.[index] }, x, level);
      skips.push(x);
    }
    if (depth < levels.length - 1) {
      x = downsample(layer, scope, x);
      skips.push(x);
    }
  }

  if (middle) {
    const deepest = at(levels, -1);
    const { transformers } = middle;
    x = block({ scope: 'mid_block', index: 0, transformers }, x, deepest);
    if (transformers !== null) x = block({ scope: 'mid_block', index: 1, transformers: null }, x, deepest);
  }

  for (const [height, level] of levels.toReversed().entries()) {
    const scope = `up_blocks.${height}`;
    for (let index = 0; index <= level.layers; index++) {
      x = concat([x, skips.pop() as Expression], 1);
      x = block({ scope, index, transformers: level.transformersUp?.[index] }, x, level);
    }
    if (height < levels.length - 1) x = upsample(layer, scope, x);
  }

  x = groupNorm(layer, 'conv_norm_out', x, { numGroups, epsilon }).silu();
  g.output(conv2d(layer, 'conv_out', x, { channels: config.channels }), 'out_sample');
}

/**
 * The embedding of the timestep, plus that of the pooled prompt and the picture's sizes where the network has it. What a
 * network knows of the guidance scale is projected, without a bias, and added to the waves of the timestep.
 */
function timeEmbedding(
  layer: LayerContext,
  config: Unet2dConditionConfig,
  timestep: Expression,
  rows: number,
): Expression {
  const { g } = layer;
  const { added, guidanceWidth, flipSinToCos: cosinesFirst, freqShift } = config;
  const width = at(config.levels, 0).channels;
  let waves = timestepEmbedding(timestep, width, { cosinesFirst, freqShift });
  if (guidanceWidth !== null) {
    const scale = g.input('timestep_cond', 'float32', [rows, guidanceWidth]);
    waves = waves.add(linear(layer, 'time_embedding/cond_proj', scale, { features: width, bias: false }));
  }
  const time = timeMlp(layer, 'time_embedding', waves, 4 * width);
  if (!added) return time;
  const textEmbeds = g.input('text_embeds', 'float32', [rows, added.pooledWidth]);
  const timeIds = g.input('time_ids', 'float32', [rows, NUM_TIME_IDS]);
  const idWaves = timestepEmbedding(timeIds, added.timeEmbedDim, { cosinesFirst, freqShift });
  const sizes = idWaves.reshape([-1, NUM_TIME_IDS * added.timeEmbedDim]);
  return time.add(timeMlp(layer, 'add_embedding', concat([textEmbeds, sizes], 1), 4 * width));
}
