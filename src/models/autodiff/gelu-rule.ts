/** @file Gradient of GELU, y = x Φ(x), in its two forms (Hendrycks and Gimpel 2016, section 2). */

import { textAttribute } from '../graph/graph.js';
import type { Expression } from '../graph/ops/expression.js';
import { unary } from './rule.js';

/** dx = dy (Φ(x) + x Φ'(x)); Φ is the normal distribution function, or its tanh form where the node asks for that. */
export const geluRule = unary(({ dy, x, node }) =>
  dy.mul(textAttribute(node, 'approximate', 'none') === 'tanh' ? tanhSlope(x) : exactSlope(x)),
);

/** With h = x / √2: Φ(x) = (1 + erf h) / 2, x Φ'(x) = h e^(-h²) / √π, the divisor as a part of the exponent. */
function exactSlope(x: Expression): Expression {
  const h = x.mul(Math.SQRT1_2);
  const bell = h
    .mul(h)
    .subtractFrom(-Math.log(Math.PI) / 2)
    .exp();
  return h.erf().add(1).mul(0.5).add(h.mul(bell));
}

/** Φ(x) = (1 + tanh u) / 2 with u = √(2/π) (x + c x³), Φ'(x) = (1 - tanh² u) u' / 2, c = 0.044715. */
function tanhSlope(x: Expression): Expression {
  const [slope, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = x.mul(x);
  const inner = x.graph.scalar(slope).add(square.mul(slope * cubic));
  const halfInnerSlope = x.graph.scalar(slope / 2).add(square.mul(1.5 * slope * cubic));
  const tanh = x.mul(inner).tanh();
  const density = tanh.mul(tanh).subtractFrom(1).mul(halfInnerSlope);
  return tanh.add(1).mul(0.5).add(x.mul(density));
}
