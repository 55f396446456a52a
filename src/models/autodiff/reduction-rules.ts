/** @file Gradients of reductions and of operators along an axis. */

import { TributaryError } from '../../errors.js';
import { reducedAxes } from '../graph/application.js';
import { int, intAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { int64, toIntegers } from '../tensor.js';
import type { RuleContext } from './rule.js';
import { rule, unary } from './rule.js';
import { indicator } from './selection-rules.js';

/** The input's shape with the reduced axes set to 1: how `value` must look to broadcast against the input. */
function keptShape({ g, node, x: [x, axes] }: RuleContext): number[] {
  if (!x) return [];
  const constant = axes && g.initializers.get(axes.name);
  if (axes && !constant) {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `${node.op} "${node.name}": expected constant axes, got computed ones. Fix the model's input sizes.`,
    );
  }
  const reduced = reducedAxes(node, x.shape.length, constant && toIntegers(constant));
  return x.shape.map((size, axis) => (reduced.includes(axis) ? 1 : size));
}

function withKeptAxes(context: RuleContext, value: Expression): Expression {
  const shape = keptShape(context);
  return shape.length === value.shape.length ? value : value.reshape(shape);
}

/** y = Σ x: dx = dy, spread over the reduced axes. */
export const reduceSumRule = unary((context) => withKeptAxes(context, context.dy).expand(context.x0.shape));

/** y = mean x: dx = dy / n, spread over the reduced axes. */
export const reduceMeanRule = unary((context) => {
  const { x0, y0 } = context;
  const count = x0.shape.reduce((n, size) => n * size, 1) / y0.shape.reduce((n, size) => n * size, 1);
  return withKeptAxes(context, context.dy)
    .mul(1 / count)
    .expand(x0.shape);
});

/** y = Σ x²: dx = 2 x dy. */
export const reduceSumSquareRule = unary((context) => {
  const { x0 } = context;
  return x0.mul(withKeptAxes(context, context.dy).mul(2));
});

/** y = max or min x: dy goes to the elements equal to y, shared equally (PyTorch's amax, amin). */
export const extremeReductionRule = unary((context) => {
  const { x0, y0, dy } = context;
  const hits = indicator(x0.equal(withKeptAxes(context, y0)));
  const shape = keptShape(context);
  const axes = shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  const ties = axes.length > 0 ? hits.reduceSum(axes) : hits;
  return hits.mul(withKeptAxes(context, dy).div(ties));
});

/** y = softmax x: dx = y (dy - Σ dy y). */
export const softmaxRule = unary(({ dy, y0, node }) => {
  const axis = intAttribute(node, 'axis', -1);
  const weighted = dy.mul(y0);
  return weighted.sub(y0.mul(weighted.reduceSum([axis])));
});

/** y = log softmax x: dx = dy - softmax(x) Σ dy. */
export const logSoftmaxRule = unary(({ dy, y0, node }) => {
  const axis = intAttribute(node, 'axis', -1);
  return dy.sub(y0.exp().mul(dy.reduceSum([axis])));
});

/** y = running sum of x: dx = running sum of dy from the other end. */
export const cumSumRule = rule(({ g, dy, x: [, axis], node }) => {
  if (!axis) return [];
  return [
    reversedCumSum(g, dy, axis, intAttribute(node, 'exclusive', 0), 1 - intAttribute(node, 'reverse', 0)),
    undefined,
  ];
});

function reversedCumSum(
  g: GraphBuilder,
  x: Expression,
  axis: Expression,
  exclusive: number,
  reverse: number,
): Expression {
  const constant = g.initializers.get(axis.name);
  const position = constant ? g.constant(int64(toIntegers(constant), constant.shape)) : axis;
  const [output] = g.emit('CumSum', [x, position], { exclusive: int(exclusive), reverse: int(reverse) }) as [
    Expression,
  ];
  return output;
}
