/**
 * @file Gradients of normalization. All three are one formula over rows: with n = (x - mean) / std over a row,
 * dx = (dn - mean(dn) - n mean(dn n)) / std.
 */

import { TributaryError } from '../../errors.js';
import { floatAttribute, intAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { layerNormalization } from '../graph/ops/normalization.js';
import { elementCount, float32 } from '../tensor.js';
import type { RuleContext } from './rule.js';
import { rule } from './rule.js';

/** dL/dx of a normalization over `axes`, from dL/dn, n and 1 / std. */
function throughNormalization(
  dn: Expression,
  normalized: Expression,
  inverseStdDev: Expression,
  axes: readonly number[],
): Expression {
  const alongMean = dn.reduceMean(axes);
  const alongNormalized = dn.mul(normalized).reduceMean(axes);
  const projected = dn.sub(alongMean).sub(normalized.mul(alongNormalized));
  return projected.mul(inverseStdDev);
}

interface Rows {
  readonly normalized: Expression;
  readonly inverseStdDev: Expression;
}

/** Normalizes x over its last axis by LayerNormalization with unit scale, which also gives 1 / std. */
function normalizeRows(g: GraphBuilder, x: Expression, epsilon: number): Rows {
  const scale = g.constant(float32(new Float32Array(x.shape.at(-1) ?? 1).fill(1), [x.shape.at(-1) ?? 1]));
  return layerNormalization(x, scale, undefined, { epsilon });
}

/** y = n · scale + bias over the axes from `axis` on. No gradient flows through the statistics (outputs 1 and 2). */
export const layerNormalizationRule = rule((context) => {
  const {
    g,
    node,
    x: [x, scale, bias],
    dy,
    upstreams,
    wants,
  } = context;
  if (!x || !scale) return [];
  if (upstreams[1] !== undefined || upstreams[2] !== undefined) {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `LayerNormalization "${node.name}": expected only its first output on the path to the loss, got its Mean or InvStdDev there. Compute the statistics with ReduceMean.`,
    );
  }
  const first = intAttribute(node, 'axis', -1);
  const axis = first < 0 ? first + x.shape.length : first;
  const axes = x.shape.flatMap((_, i) => (i >= axis ? [i] : []));
  const { normalized, inverseStdDev } = unitStatistics(context, axis);
  const dn = () => (isUnit(g, scale) ? dy : dy.mul(scale));
  return [
    wants(0) ? throughNormalization(dn(), normalized, inverseStdDev, axes) : undefined,
    wants(1) ? dy.mul(normalized) : undefined,
    wants(2) && bias ? dy : undefined,
  ];
});

/** y = n · scale + bias, n normalized over the spatial axes of every channel. */
export const instanceNormalizationRule = rule((context) =>
  rowGradients(context, context.x[0]?.shape[1] ?? 1),
);

/** y = n · scale + bias, n normalized over groups of channels and the spatial axes; one scale and bias a group (opset 18 to 20). */
export const groupNormalizationRule = rule((context) =>
  rowGradients(context, intAttribute(context.node, 'num_groups', 1)),
);

/** x and dy seen as [B, groups, n]: every row is normalized by itself, and scale and bias have one number a group. */
function rowGradients({ g, node, x: [x, scale], dy, wants }: RuleContext, groups: number) {
  if (!x || !scale) return [];
  const asRows = (value: Expression) => value.reshape([x.shape[0] ?? 1, groups, -1]);
  const epsilon = floatAttribute(node, 'epsilon', 1e-5);
  const { normalized, inverseStdDev } = normalizeRows(g, asRows(x), epsilon);
  const upstream = asRows(dy);
  const dx = () => {
    const dn = upstream.mul(scale.reshape([groups, 1]));
    return throughNormalization(dn, normalized, inverseStdDev, [-1]).reshape(x.shape);
  };
  return [
    wants(0) ? dx() : undefined,
    wants(1) ? upstream.mul(normalized).reduceSum([0, 2], false) : undefined,
    wants(2) ? upstream.reduceSum([0, 2], false) : undefined,
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
  return layerNormalization(x, unit, undefined, {
    epsilon: floatAttribute(node, 'epsilon', 1e-5),
    axis,
  });
}

function isUnit(g: GraphBuilder, scale: Expression): boolean {
  const tensor = g.initializers.get(scale.name);
  return tensor?.type === 'float32' && (tensor.data as Float32Array).every((element) => element === 1);
}
