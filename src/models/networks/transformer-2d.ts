/** @file Transformer2DModel of diffusers: positions as tokens, through blocks of attention and a feed-forward network. */

import { at } from '../../at.js';
import type { Expression } from '../graph/ops/expression.js';
import { fromTokens, toTokens } from './blocks.js';
import { attention, conv2d, groupNorm, type LayerContext, layerNorm, linear } from './layers.js';

/** Epsilon of its GroupNorm, whatever the epsilon of the network's other norms. */
const GROUP_NORM_EPSILON = 1e-6;

interface BlockOptions {
  /** Encoder hidden states [B, tokens, width]. */
  readonly context: Expression;
  readonly headSize: number;
  /** Default: GEGLU. */
  readonly feedForward?: (layer: LayerContext, scope: string, x: Expression) => Expression;
}

interface TransformerOptions extends BlockOptions {
  readonly numLayers: number;
  readonly numGroups: number;
  readonly epsilon?: number;
  /** Whether tokens enter and leave by linear layers (SD 2.x, SDXL) or pictures by 1x1 convolutions (SD 1.x). */
  readonly useLinearProjection: boolean;
  /** Scale of the last layer's first weights. */
  readonly gain?: number;
}

/** Returns x plus what the blocks make of it, [B, C, H, W]. */
export function transformer2d(
  layer: LayerContext,
  scope: string,
  x: Expression,
  options: TransformerOptions,
): Expression {
  const { numLayers, numGroups, epsilon = GROUP_NORM_EPSILON, useLinearProjection, gain, ...block } = options;
  const channels = at(x.shape, 1);
  return layer.g.scoped(scope, () => {
    const normed = groupNorm(layer, 'norm', x, { numGroups, epsilon });
    let h = useLinearProjection
      ? linear(layer, 'proj_in', toTokens(normed), { features: channels })
      : toTokens(conv2d(layer, 'proj_in', normed, { channels, kernel: 1 }));
    for (let index = 0; index < numLayers; index++)
      h = transformerBlock(layer, `transformer_blocks.${index}`, h, block);
    const out = useLinearProjection
      ? fromTokens(linear(layer, 'proj_out', h, { features: channels, gain }), x)
      : conv2d(layer, 'proj_out', fromTokens(h, x), { channels, kernel: 1, gain });
    return x.add(out);
  });
}

function transformerBlock(
  layer: LayerContext,
  scope: string,
  x: Expression,
  { context, headSize, feedForward = gatedFeedForward }: BlockOptions,
): Expression {
  return layer.g.scoped(scope, () => {
    let h = x.add(attention(layer, 'attn1', layerNorm(layer, 'norm1', x), { headSize }));
    h = h.add(attention(layer, 'attn2', layerNorm(layer, 'norm2', h), { context, headSize }));
    return h.add(feedForward(layer, 'ff', layerNorm(layer, 'norm3', h)));
  });
}

/** GEGLU (Shazeer 2020): one half of a linear layer's output times GELU of the other, then back to the width of x. */
function gatedFeedForward(layer: LayerContext, scope: string, x: Expression): Expression {
  const features = at(x.shape, 2);
  const inner = 4 * features;
  return layer.g.scoped(scope, () => {
    const both = linear(layer, 'net.0/proj', x, { features: 2 * inner });
    const [hidden, gate] = both.split([inner, inner], 2) as [Expression, Expression];
    return linear(layer, 'net.2', hidden.mul(gate.gelu()), { features });
  });
}
