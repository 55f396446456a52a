/** @file Gradients of operators that select: Where, Clip, Min, Max. */

import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { rule } from './rule.js';

/** y = c ? a : b: da = dy where c, db = dy where not. */
export const whereRule = rule(({ g, dy, x: [condition, a, b], wants }) => {
  if (!condition || !a || !b) return [];
  const zero = g.scalar(0);
  return [
    undefined,
    wants(1) ? op.where(g, condition, dy, zero) : undefined,
    wants(2) ? op.where(g, condition, zero, dy) : undefined,
  ];
});

/** y = clip(x, low, high): dx = dy where low <= x <= high, else 0. The bounds get none: they are settings here. */
export const clipRule = rule(({ g, dy, x: [x, low, high] }) => {
  if (!x) return [];
  const zero = g.scalar(0);
  let dx = dy;
  if (low) dx = op.where(g, op.less(g, x, low), zero, dx);
  if (high) dx = op.where(g, op.greater(g, x, high), zero, dx);
  return [dx];
});

/** y = min or max of n operands: dy goes to those equal to y, shared equally between them. */
export const extremeRule = rule(({ g, dy, x, y: [y], wants }) => {
  if (!y) return [];
  const hits = x.map((operand) => indicator(g, op.equal(g, operand, y)));
  const share = op.div(
    g,
    dy,
    hits.reduce((total, hit) => op.add(g, total, hit)),
  );
  return hits.map((hit, index) => (wants(index) ? op.mul(g, share, hit) : undefined));
});

/** 1 where the condition holds, else 0. */
export function indicator(g: GraphBuilder, condition: Value): Value {
  return op.cast(g, condition, 'float32');
}
