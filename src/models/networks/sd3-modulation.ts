/** @file What time and prompt do to a transformer's tokens: scales, shifts and gates, by a linear layer in each block. */

import { at } from '../../at.js';
import type { Expression } from '../graph/ops/expression.js';
import { layerNormalization } from '../graph/ops/normalization.js';
import { float32 } from '../tensor.js';
import { type LayerContext, linear } from './layers.js';

/** Epsilon of every norm of SD3Transformer2DModel. */
export const EPSILON = 1e-6;

/** `count` vectors [B, 1, features] from the embedding of time and prompt [B, D] after its activation. */
export function modulations(
  layer: LayerContext,
  scope: string,
  time: Expression,
  { count, features }: { readonly count: number; readonly features: number },
): readonly Expression[] {
  const all = linear(layer, `${scope}/linear`, time, { features: count * features });
  return layer.g.scoped(scope, () => all.unsqueeze([1]).split(new Array(count).fill(features), 2));
}

/** LayerNorm without weights, over the last axis. */
export function plainNorm(x: Expression): Expression {
  const features = at(x.shape, -1);
  const ones = x.graph.constant(float32(new Float32Array(features).fill(1), [features]));
  return layerNormalization(x, ones, undefined, { epsilon: EPSILON }).normalized;
}

/** norm(x) · (1 + scale) + shift. */
export const modulated = (x: Expression, scale: Expression, shift: Expression): Expression =>
  plainNorm(x).mul(scale.add(1)).add(shift);
