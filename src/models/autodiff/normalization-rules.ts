/**
 * @file Gradients of normalization. All three operators are y = n s + b with n = (x - mean) / std, over rows of their own:
 * dx = (dn - mean(dn) - n mean(n dn)) / std with dn = dy s, the means over a row.
 */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { Value } from '../graph/graph.js';
import { floatAttribute, intAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { layerNormalization } from '../graph/ops/normalization.js';
import { filled } from '../tensor.js';
import type { InputGradient, RuleContext } from './rule.js';
import { rule } from './rule.js';

type NormalizationInputs = readonly [x: Expression, scale: Expression, bias?: Expression];

interface Rows {
  /** n */
  readonly normalized: Expression;
  /** 1 / std */
  readonly inverseStdDev: Expression;
}

/** dL/dx of rows along `axes`. */
function throughRows(
  dn: Expression,
  { normalized, inverseStdDev }: Rows,
  axes: readonly number[],
): Expression {
  const alongMean = dn.reduceMean(axes);
  const alongNormalized = dn.mul(normalized).reduceMean(axes);
  return dn.sub(alongMean).sub(normalized.mul(alongNormalized)).mul(inverseStdDev);
}

/** Rows from the given axis on. No gradient flows through the statistics (outputs 1 and 2). */
export const layerNormalizationRule = rule<NormalizationInputs>((context) => {
  const { g, node, inputs, dy, outputGradients } = context;
  const [x, scale] = inputs;
  if (outputGradients[1] !== undefined || outputGradients[2] !== undefined) {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `LayerNormalization "${node.name}": expected only its first output on the path to the loss, got its Mean or InvStdDev there. Compute the statistics with ReduceMean.`,
    );
  }
  const first = intAttribute(node, 'axis', -1);
  const axis = first < 0 ? first + x.shape.length : first;
  const rows = rowsOf(context, axis);
  const dx = () => {
    const dn = isOnes(g, scale) ? dy : dy.mul(scale);
    return throughRows(dn, rows, [...x.shape.keys()].slice(axis));
  };
  return [dx, () => dy.mul(rows.normalized), () => dy];
});

/** The node's own statistics where its scale is one and it has no bias; else they are computed again. */
function rowsOf(
  { g, node, inputs: [x, scale, bias], outputs }: RuleContext<NormalizationInputs>,
  axis: number,
): Rows {
  const [normalized, , inverseStdDev] = outputs;
  if (normalized && inverseStdDev && isOnes(g, scale) && !bias) return { normalized, inverseStdDev };
  const ones = g.constant(filled(1, scale.shape));
  return layerNormalization(x, ones, undefined, { epsilon: floatAttribute(node, 'epsilon', 1e-5), axis });
}

function isOnes(g: GraphBuilder, scale: Value): boolean {
  const tensor = g.initializers.get(scale.name);
  return tensor?.type === 'float32' && (tensor.data as Float32Array).every((element) => element === 1);
}

/** A row is a channel of a sample. */
export const instanceNormalizationRule = rule<NormalizationInputs>((context) =>
  groupGradients(context, at(context.inputs[0].shape, 1)),
);

/** A row is a group of channels of a sample; one scale and bias per group (opset 18 to 20). */
export const groupNormalizationRule = rule<NormalizationInputs>((context) =>
  groupGradients(context, intAttribute(context.node, 'num_groups', 1)),
);

/** With x and dy seen as [B, groups, n]: scale and bias have one number per group. */
function groupGradients(
  { g, node, inputs: [x, scale], dy }: RuleContext<NormalizationInputs>,
  groups: number,
): InputGradient[] {
  const asRows = (value: Expression) => value.reshape([at(x.shape, 0), groups, -1]);
  const grouped = asRows(x);
  const ones = g.constant(filled(1, [at(grouped.shape, -1)]));
  const rows = layerNormalization(grouped, ones, undefined, {
    epsilon: floatAttribute(node, 'epsilon', 1e-5),
  });
  const dyRows = asRows(dy);
  return [
    () => throughRows(dyRows.mul(scale.reshape([groups, 1])), rows, [-1]).reshape(x.shape),
    () => dyRows.mul(rows.normalized).reduceSum([0, 2], false),
    () => dyRows.reduceSum([0, 2], false),
  ];
}
