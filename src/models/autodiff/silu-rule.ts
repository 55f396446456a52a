/** @file The gradient of SiLU, y = x g with g = σ(x): dx = dy (g + x g (1 - g)) = dy (g + y - g y). */

import type { Expression } from '../graph/ops/expression.js';
import { unary } from './rule.js';

export const siluRule = unary(({ y, dy, outputs }) => {
  const [, gate] = outputs as readonly [Expression, Expression];
  return dy.mul(gate.add(y.sub(gate.mul(y))));
});
