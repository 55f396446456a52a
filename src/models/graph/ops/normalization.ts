/** @file Normalization. */

import { float32 } from '../../tensor.js';
import type { Value } from '../graph.js';
import { float, int } from '../graph.js';
import type { GraphBuilder } from './builder.js';
import { add, mul } from './elementwise.js';
import { reshape } from './movement.js';

export interface LayerStatistics {
  readonly normalized: Value;
  readonly mean: Value;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverseStdDev: Value;
}

/** Normalizes over the axes from `axis` on, times scale plus bias; also gives the statistics, which the gradient reuses. */
export function layerNormalization(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value | undefined,
  epsilon: number,
  axis = -1,
): LayerStatistics {
  const [normalized, mean, inverseStdDev] = g.emit('LayerNormalization', [x, scale, bias], {
    axis: int(axis),
    epsilon: float(epsilon),
    stash_type: int(1),
  }) as [Value, Value, Value];
  return { normalized, mean, inverseStdDev };
}

/** Normalizes every channel of every sample over its spatial axes. */
export function instanceNormalization(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value,
  epsilon: number,
): Value {
  const [output] = g.emit('InstanceNormalization', [x, scale, bias], { epsilon: float(epsilon) }) as [Value];
  return output;
}

/**
 * GroupNorm as exporters write it: x [B, C, H, W] seen as [B, groups, -1], InstanceNormalization, and back, times a weight
 * and plus a bias per channel ([C, 1, 1]). The batch size appears in no constant.
 */
export function groupNorm(
  g: GraphBuilder,
  x: Value,
  weight: Value,
  bias: Value,
  numGroups: number,
  epsilon: number,
): Value {
  const ones = g.constant(float32(new Float32Array(numGroups).fill(1), [numGroups]));
  const zeros = g.constant(float32(new Float32Array(numGroups), [numGroups]));
  const grouped = instanceNormalization(g, reshape(g, x, [0, numGroups, -1]), ones, zeros, epsilon);
  return add(g, mul(g, reshape(g, grouped, [-1, ...x.shape.slice(1)]), weight), bias);
}
