/** @file Gradients of operators that select: Where, Clip, Min, Max. */

import type { Expression } from '../graph/ops/expression.js';
import { rule } from './rule.js';

/** y = c ? a : b: da = dy where c, db = dy where not. */
export const whereRule = rule(({ g, dy, x: [condition, a, b], wants }) => {
  if (!condition || !a || !b) return [];
  const zero = g.scalar(0);
  return [
    undefined,
    wants(1) ? condition.where(dy, zero) : undefined,
    wants(2) ? condition.where(zero, dy) : undefined,
  ];
});

/** y = clip(x, low, high): dx = dy where low <= x <= high, else 0. The bounds get none: they are settings here. */
export const clipRule = rule(({ g, dy, x: [x, low, high] }) => {
  if (!x) return [];
  const zero = g.scalar(0);
  let dx = dy;
  if (low) dx = x.less(low).where(zero, dx);
  if (high) dx = x.greater(high).where(zero, dx);
  return [dx];
});

/** y = min or max of n operands: dy goes to those equal to y, shared equally between them. */
export const extremeRule = rule(({ dy, x, y: [y], wants }) => {
  if (!y) return [];
  const hits = x.map((operand) => indicator(operand.equal(y)));
  const share = dy.div(hits.reduce((total, hit) => total.add(hit)));
  return hits.map((hit, index) => (wants(index) ? share.mul(hit) : undefined));
});

/** 1 where the condition holds, else 0. */
export function indicator(condition: Expression): Expression {
  return condition.cast('float32');
}
