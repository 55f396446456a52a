/** @file Normalization. */

import { at } from '../../../at.js';
import { float32 } from '../../tensor.js';
import { float, int, type Value } from '../graph.js';
import type { Expression } from './expression.js';

interface LayerStatistics {
  readonly normalized: Expression;
  readonly mean: Expression;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverseStdDev: Expression;
}

/** Normalizes over the axes from `axis` on, times scale plus bias. Also returns the statistics, which the gradient reuses. */
export function layerNormalization(
  x: Expression,
  scale: Value,
  bias: Value | undefined,
  { epsilon, axis = -1 }: { readonly epsilon: number; readonly axis?: number },
): LayerStatistics {
  const [normalized, mean, inverseStdDev] = x.graph.emit('LayerNormalization', [x, scale, bias], {
    axis: int(axis),
    epsilon: float(epsilon),
    stash_type: int(1),
  }) as [Expression, Expression, Expression];
  return { normalized, mean, inverseStdDev };
}

/** Normalizes every channel of every sample over its spatial axes. */
export function instanceNormalization(x: Expression, scale: Value, bias: Value, epsilon: number): Expression {
  return at(x.graph.emit('InstanceNormalization', [x, scale, bias], { epsilon: float(epsilon) }), 0);
}

/**
 * GroupNorm as exporters write it: x [B, C, H, W] seen as [B, groups, -1], InstanceNormalization, and back, times a weight
 * and plus a bias per channel ([C, 1, 1]). The batch size appears in no constant.
 */
export function groupNormalization(
  x: Expression,
  weight: Value,
  bias: Value,
  { numGroups, epsilon }: { readonly numGroups: number; readonly epsilon: number },
): Expression {
  const ones = x.graph.constant(float32(new Float32Array(numGroups).fill(1), [numGroups]));
  const zeros = x.graph.constant(float32(new Float32Array(numGroups), [numGroups]));
  const grouped = instanceNormalization(x.reshape([0, numGroups, -1]), ones, zeros, epsilon);
  return grouped
    .reshape([-1, ...x.shape.slice(1)])
    .mul(weight)
    .add(bias);
}
