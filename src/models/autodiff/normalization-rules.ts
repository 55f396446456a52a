/**
 * @file Gradients of normalisation. All three are one formula over rows: with n = (x - mean) / std over a row,
 * dx = (dn - mean(dn) - n mean(dn n)) / std.
 */

import { TributaryError } from '../../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Node, Value } from '../graph/graph.js';
import { floatAttribute, intAttribute } from '../graph/graph.js';
import * as op from '../graph/ops/index.js';
import { elementCount, float32 } from '../tensor.js';
import type { RuleContext } from './rule.js';
import { rule } from './rule.js';

/** dL/dx of a normalisation over `axes`, from dL/dn, n and 1 / std. */
function throughNormalization(
  g: GraphBuilder,
  dn: Value,
  normalized: Value,
  inverseStdDev: Value,
  axes: readonly number[],
): Value {
  const alongMean = op.reduceMean(g, dn, axes);
  const alongNormalized = op.reduceMean(g, op.mul(g, dn, normalized), axes);
  const projected = op.sub(g, op.sub(g, dn, alongMean), op.mul(g, normalized, alongNormalized));
  return op.mul(g, projected, inverseStdDev);
}

interface Rows {
  readonly normalized: Value;
  readonly inverseStdDev: Value;
}

/** Normalises x over its last axis by LayerNormalization with unit scale, which also gives 1 / std. */
function normalizeRows(g: GraphBuilder, x: Value, epsilon: number): Rows {
  const scale = g.constant(float32(new Float32Array(x.shape.at(-1) ?? 1).fill(1), [x.shape.at(-1) ?? 1]));
  return op.layerNormalization(g, x, scale, undefined, epsilon);
}

/** y = n · scale + bias over the axes from `axis` on. */
export const layerNormalizationRule = rule((context) => {
  const {
    g,
    node,
    x: [x, scale, bias],
    dy,
    wants,
  } = context;
  if (!x || !scale) return [];
  const first = intAttribute(node, 'axis', -1);
  const axis = first < 0 ? first + x.shape.length : first;
  const axes = x.shape.flatMap((_, i) => (i >= axis ? [i] : []));
  const { normalized, inverseStdDev } = unitStatistics(context, axis);
  const dn = () => (isUnit(g, scale) ? dy : op.mul(g, dy, scale));
  return [
    wants(0) ? throughNormalization(g, dn(), normalized, inverseStdDev, axes) : undefined,
    wants(1) ? op.mul(g, dy, normalized) : undefined,
    wants(2) && bias ? dy : undefined,
  ];
});

/** y = n · scale + bias, n normalised over the spatial axes of every channel. */
export const instanceNormalizationRule = rule(({ g, node, x: [x, scale], dy, wants }) =>
  x && scale ? channelGradients(g, node, x, scale, dy, wants, x.shape[1] ?? 1) : [],
);

/** y = n · scale + bias, n normalised over groups of channels and the spatial axes. */
export const groupNormalizationRule = rule(({ g, node, x: [x, scale], dy, wants }) =>
  x && scale ? channelGradients(g, node, x, scale, dy, wants, intAttribute(node, 'num_groups', 1)) : [],
);

function channelGradients(
  g: GraphBuilder,
  node: Node,
  x: Value,
  scale: Value,
  dy: Value,
  wants: (input: number) => boolean,
  groups: number,
) {
  const rows = [x.shape[0] ?? 1, groups, -1];
  const { normalized, inverseStdDev } = normalizeRows(
    g,
    op.reshape(g, x, rows),
    floatAttribute(node, 'epsilon', 1e-5),
  );
  const perChannel = [x.shape[1] ?? 1, ...x.shape.slice(2).map(() => 1)];
  const allButChannel = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const dn = () => op.reshape(g, op.mul(g, dy, op.reshape(g, scale, perChannel)), rows);
  const dx = () => op.reshape(g, throughNormalization(g, dn(), normalized, inverseStdDev, [-1]), x.shape);
  const dScale = () =>
    op.reduceSum(g, op.mul(g, dy, op.reshape(g, normalized, x.shape)), allButChannel, false);
  return [
    wants(0) ? dx() : undefined,
    wants(1) ? dScale() : undefined,
    wants(2) ? op.reduceSum(g, dy, allButChannel, false) : undefined,
  ];
}

/** n and 1 / std of a LayerNormalization node: its own outputs where its scale is one, else made again. */
function unitStatistics({ g, node, x: [x, scale, bias], y }: RuleContext, axis: number): Rows {
  const [normalized, , inverseStdDev] = y;
  if (normalized && inverseStdDev && scale && isUnit(g, scale) && !bias) return { normalized, inverseStdDev };
  if (!x || !scale)
    throw new TributaryError(
      'TRIB_GRAPH',
      `LayerNormalization "${node.name}": expected an input and a scale, got neither. Export the model again.`,
    );
  const unit = g.constant(float32(new Float32Array(elementCount(scale.shape)).fill(1), scale.shape));
  return op.layerNormalization(g, x, unit, undefined, floatAttribute(node, 'epsilon', 1e-5), axis);
}

function isUnit(g: GraphBuilder, scale: Value): boolean {
  const tensor = g.initializers.get(scale.name);
  return tensor?.type === 'float32' && (tensor.data as Float32Array).every((element) => element === 1);
}
