/** @file Gradients of reductions and running sums. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { reducedAxes } from '../graph/application.js';
import { int, intAttribute } from '../graph/graph.js';
import type { Expression } from '../graph/ops/expression.js';
import { elementCount, int64, toIntegers } from '../tensor.js';
import type { RuleContext } from './rule.js';
import { rule, unary } from './rule.js';
import { indicator } from './selection-rules.js';

type Reduction = Pick<RuleContext, 'g' | 'node' | 'inputs'> & { readonly x: Expression };

/** The input's shape with the reduced axes set to 1. */
function keptShape({ g, node, inputs: [, axes], x }: Reduction): number[] {
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

/** The result of a reduction, or its gradient, with the reduced axes kept at size 1, so that it broadcasts against the input. */
export function keepAxes(value: Expression, reduction: Reduction): Expression {
  const shape = keptShape(reduction);
  return shape.length === value.shape.length ? value : value.reshape(shape);
}

export const reduceMeanRule = unary((context) => {
  const { dy, x, y } = context;
  const count = elementCount(x.shape) / elementCount(y.shape);
  return keepAxes(dy, context)
    .mul(1 / count)
    .expand(x.shape);
});

export const reduceExtremeRule = unary((context) => {
  const { dy, x, y } = context;
  const hits = indicator(x.equal(keepAxes(y, context)));
  const axes = keptShape(context).flatMap((size, axis) => (size === 1 ? [axis] : []));
  const ties = axes.length > 0 ? hits.reduceSum(axes) : hits;
  return hits.mul(keepAxes(dy, context).div(ties));
});

export const cumSumRule = rule<readonly [Expression, axis: Expression]>(
  ({ g, dy, inputs: [, axis], node }) => {
    const dx = () => {
      const constant = g.initializers.get(axis.name);
      const position = constant ? g.constant(int64(toIntegers(constant), constant.shape)) : axis;
      const attributes = {
        exclusive: int(intAttribute(node, 'exclusive', 0)),
        reverse: int(1 - intAttribute(node, 'reverse', 0)),
      };
      return at(g.emit('CumSum', [dy, position], attributes), 0);
    };
    return [dx];
  },
);
