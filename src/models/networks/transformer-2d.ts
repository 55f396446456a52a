/** @file Transformer2DModel of diffusers: positions as tokens, through blocks of self-attention, cross-attention and GEGLU. */

import type { Value } from '../graph/graph.js';
import * as op from '../graph/ops/index.js';
import { fromTokens, toTokens } from './blocks.js';
import type { LayerContext } from './layers.js';
import { attention, conv2d, groupNorm, layerNorm, linear } from './layers.js';

/** Of its GroupNorm, whatever the network's other norms have. */
const GROUP_NORM_EPSILON = 1e-6;

export interface TransformerOptions {
  /** Encoder hidden states [B, tokens, width]. */
  readonly context: Value;
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
  x: Value,
  { context, numHeads, numLayers, numGroups, useLinearProjection }: TransformerOptions,
): Value {
  const { g } = layer;
  const channels = x.shape[1] ?? 1;
  return g.scoped(scope, () => {
    const normed = groupNorm(layer, 'norm', x, numGroups, GROUP_NORM_EPSILON);
    let h = useLinearProjection
      ? linear(layer, 'proj_in', toTokens(layer, normed), channels)
      : toTokens(layer, conv2d(layer, 'proj_in', normed, channels, { kernel: 1 }));
    for (let index = 0; index < numLayers; index++) {
      h = transformerBlock(layer, `transformer_blocks.${index}`, h, context, channels / numHeads);
    }
    const out = useLinearProjection
      ? fromTokens(layer, linear(layer, 'proj_out', h, channels), x)
      : conv2d(layer, 'proj_out', fromTokens(layer, h, x), channels, { kernel: 1 });
    return op.add(g, x, out);
  });
}

function transformerBlock(
  layer: LayerContext,
  scope: string,
  x: Value,
  context: Value,
  headSize: number,
): Value {
  const { g } = layer;
  return g.scoped(scope, () => {
    const normed = layerNorm(layer, 'norm1', x);
    let h = op.add(g, x, attention(layer, 'attn1', normed, normed, headSize));
    h = op.add(g, h, attention(layer, 'attn2', layerNorm(layer, 'norm2', h), context, headSize));
    return op.add(g, h, gatedFeedForward(layer, 'ff', layerNorm(layer, 'norm3', h)));
  });
}

/** GEGLU (Shazeer 2020): one half of a linear layer's output times GELU of the other, then back to the width of x. */
function gatedFeedForward(layer: LayerContext, scope: string, x: Value): Value {
  const { g } = layer;
  const features = x.shape[2] ?? 1;
  const inner = 4 * features;
  return g.scoped(scope, () => {
    const both = linear(layer, 'net.0/proj', x, 2 * inner);
    const [hidden, gate] = op.split(g, both, [inner, inner], 2) as [Value, Value];
    return linear(layer, 'net.2', op.mul(g, hidden, op.gelu(g, gate)), features);
  });
}
