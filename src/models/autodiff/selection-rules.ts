/** @file Gradients of operators that select: Where, Clip, Min, Max. */

import type { Expression } from '../graph/ops/expression.js';
import { rule } from './rule.js';

type Condition = Expression;

export const whereRule = rule<readonly [Condition, Expression, Expression]>(
  ({ g, dy, inputs: [condition] }) => {
    const zero = g.scalar(0);
    return [undefined, () => condition.where(dy, zero), () => condition.where(zero, dy)];
  },
);

/** Nothing flows into the bounds: they are settings here. */
export const clipRule = rule<readonly [Expression, low?: Expression, high?: Expression]>(
  ({ g, dy, inputs: [x, low, high] }) => {
    const dx = () => {
      const zero = g.scalar(0);
      const above = low ? x.less(low).where(zero, dy) : dy;
      return high ? x.greater(high).where(zero, above) : above;
    };
    return [dx];
  },
);

export const extremeRule = rule<readonly Expression[]>(({ dy, inputs, y }) => {
  const hits = inputs.map((x) => indicator(x.equal(y)));
  const share = dy.div(hits.reduce((sum, hit) => sum.add(hit)));
  return hits.map((hit) => () => share.mul(hit));
});

/** 1 where the condition holds, else 0. */
export const indicator = (condition: Condition): Expression => condition.cast('float32');
