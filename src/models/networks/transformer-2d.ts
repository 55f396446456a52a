/** @file Transformer2DModel of diffusers: positions as tokens, through blocks of self-attention, cross-attention and GEGLU. */

import type { Expression } from '../graph/ops/expression.js';
import { fromTokens, toTokens } from './blocks.js';
import type { LayerContext } from './layers.js';
import { attention, conv2d, groupNorm, layerNorm, linear } from './layers.js';

/** Of its GroupNorm, whatever the network's other norms have. */
const GROUP_NORM_EPSILON = 1e-6;

export interface TransformerOptions {
  /** Encoder hidden states [B, tokens, width]. */
  readonly context: Expression;
  readonly numHeads: number;
  readonly numLayers: number;
  readonly numGroups: number;
  /** Whether tokens enter and leave by linear layers (SD 2.x, SDXL) or pictures by 1x1 convolutions (SD 1.x). */
  readonly useLinearProjection: boolean;
}

/** Returns x plus what the blocks make of it, [B, C, H, W]. */
export function transformer2d(
  layer: LayerContext,
  scope: string,
  x: Expression,
  { context, numHeads, numLayers, numGroups, useLinearProjection }: TransformerOptions,
): Expression {
  const { g } = layer;
  const channels = x.shape[1] ?? 1;
  return g.scoped(scope, () => {
    const normed = groupNorm(layer, 'norm', x, numGroups, GROUP_NORM_EPSILON);
    let h = useLinearProjection
      ? linear(layer, 'proj_in', toTokens(normed), channels)
      : toTokens(conv2d(layer, 'proj_in', normed, channels, { kernel: 1 }));
    for (let index = 0; index < numLayers; index++) {
      h = transformerBlock(layer, `transformer_blocks.${index}`, h, context, channels / numHeads);
    }
    const out = useLinearProjection
      ? fromTokens(linear(layer, 'proj_out', h, channels), x)
      : conv2d(layer, 'proj_out', fromTokens(h, x), channels, { kernel: 1 });
    return x.add(out);
  });
}

function transformerBlock(
  layer: LayerContext,
  scope: string,
  x: Expression,
  context: Expression,
  headSize: number,
): Expression {
  const { g } = layer;
  return g.scoped(scope, () => {
    const normed = layerNorm(layer, 'norm1', x);
    let h = x.add(attention(layer, 'attn1', normed, normed, headSize));
    h = h.add(attention(layer, 'attn2', layerNorm(layer, 'norm2', h), context, headSize));
    return h.add(gatedFeedForward(layer, 'ff', layerNorm(layer, 'norm3', h)));
  });
}

/** GEGLU (Shazeer 2020): one half of a linear layer's output times GELU of the other, then back to the width of x. */
function gatedFeedForward(layer: LayerContext, scope: string, x: Expression): Expression {
  const { g } = layer;
  const features = x.shape[2] ?? 1;
  const inner = 4 * features;
  return g.scoped(scope, () => {
    const both = linear(layer, 'net.0/proj', x, 2 * inner);
    const [hidden, gate] = both.split([inner, inner], 2) as [Expression, Expression];
    return linear(layer, 'net.2', hidden.mul(gate.gelu()), features);
  });
}
