/** @file SD3Transformer2DModel of diffusers as a graph: the denoiser of SD 3 and SD 3.5 (MMDiT; Esser et al. 2024). */

import { conv } from '../graph/ops/convolution.js';
import type { Expression } from '../graph/ops/expression.js';
import { timeMlp, toTokens } from './blocks.js';
import { type LayerContext, linear, timestepEmbedding } from './layers.js';
import { jointBlock, type Streams } from './sd3-block.js';
import type { Sd3Config } from './sd3-config.js';
import { modulated, modulations } from './sd3-modulation.js';

type Two = readonly [Expression, Expression];

/** Width of the waves of a timestep. */
const TIME_WAVES = 256;

/**
 * Appends the network with its inputs and its output. The latents become tokens of patch x patch positions; these and the
 * tokens of the prompt pass through blocks that keep two streams and let them attend to each other.
 *
 * Inputs: `sample` [R, C, H, W], where the patch divides H and W; `timestep` [R] float32; `encoder_hidden_states`
 * [R, tokens, joint_attention_dim]; `pooled_projections` [R, P]. Output: `out_sample` [R, C, H, W], the velocity.
 */
export function sd3Transformer(
  layer: LayerContext,
  config: Sd3Config,
  { rows, sampleSize, tokens }: { rows: number; sampleSize: readonly [number, number]; tokens: number },
): void {
  const { g } = layer;
  const { channels, patchSize: patch, headSize, numHeads, numLayers } = config;
  const width = numHeads * headSize;
  const [height, columns] = sampleSize;
  const sample = g.input('sample', 'float32', [rows, channels, height, columns]);
  const timestep = g.input('timestep', 'float32', [rows]);
  const context = g.input('encoder_hidden_states', 'float32', [rows, tokens, config.jointAttentionDim]);
  const pooled = g.input('pooled_projections', 'float32', [rows, config.pooledWidth]);

  const grid = { height: height / patch, width: columns / patch };
  let streams: Streams = {
    picture: patches(layer, config, sample, grid),
    prompt: linear(layer, 'context_embedder', context, { features: width }),
  };
  const waves = timestepEmbedding(timestep, TIME_WAVES, { cosinesFirst: true });
  const time = timeMlp(layer, 'time_text_embed/timestep_embedder', waves, width)
    .add(timeMlp(layer, 'time_text_embed/text_embedder', pooled, width))
    .silu();
  for (let index = 0; index < numLayers; index++) {
    streams = jointBlock(layer, `transformer_blocks.${index}`, streams, {
      ...{ time, headSize },
      isLast: index === numLayers - 1,
      attendsTwice: config.dualLayers.has(index),
      normalizesHeads: config.normalizesHeads,
    });
  }
  const [scale, shift] = modulations(layer, 'norm_out', time, { count: 2, features: width }) as Two;
  const normed = modulated(streams.picture, scale, shift);
  const out = linear(layer, 'proj_out', normed, { features: patch * patch * channels });
  const squares = out.reshape([0, grid.height, grid.width, patch, patch, channels]);
  g.output(squares.transpose([0, 5, 1, 3, 2, 4]).reshape([0, channels, height, columns]), 'out_sample');
}

/** A convolution by patches, whose positions [B, h·w, D] get the middle of the table of positions. */
function patches(
  { g, weights }: LayerContext,
  { channels, patchSize, headSize, numHeads, mostTokensOnSide: side }: Sd3Config,
  sample: Expression,
  grid: { readonly height: number; readonly width: number },
): Expression {
  const features = numHeads * headSize;
  const tokens = g.scoped('pos_embed/proj', () => {
    const deviation = 1 / Math.sqrt(channels * patchSize * patchSize);
    const kernel = [features, channels, patchSize, patchSize];
    const weight = weights('pos_embed.proj.weight', kernel, { stdDev: deviation });
    const bias = weights('pos_embed.proj.bias', [features], { constant: 0 });
    return toTokens(conv(sample, weight, bias, { strides: [patchSize, patchSize] }));
  });
  const shape = [1, grid.height * grid.width, features];
  return tokens.add(weights('pos_embed.pos_embed', shape, { constant: 0 }, { side, ...grid }));
}
