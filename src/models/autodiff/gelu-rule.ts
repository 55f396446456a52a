/** @file Gradient of GELU, y = x Φ(x), in its two forms (Hendrycks and Gimpel 2016, section 2). */

import { textAttribute } from '../graph/graph.js';
import type { Expression } from '../graph/ops/expression.js';
import { unary } from './rule.js';

/** dx = dy (Φ(x) + x Φ'(x)); Φ is the normal distribution function, or its tanh form where the node asks for that. */
export const geluRule = unary(({ dy, x, node }) => {
  const { cdf, density } = textAttribute(node, 'approximate', 'none') === 'tanh' ? tanhForm(x) : exactForm(x);
  return dy.mul(cdf.add(x.mul(density)));
});

interface Distribution {
  readonly cdf: Expression;
  readonly density: Expression;
}

/** Φ(x) = (1 + erf(x / √2)) / 2, Φ'(x) = e^(-x² / 2) / √(2π). */
function exactForm(x: Expression): Distribution {
  const cdf = x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
  const bell = x.mul(x).mul(-0.5).exp();
  return { cdf, density: bell.mul(1 / Math.sqrt(2 * Math.PI)) };
}

/** Φ(x) = (1 + tanh u) / 2 with u = √(2/π) (x + c x³), Φ'(x) = (1 - tanh² u) u' / 2, c = 0.044715. */
function tanhForm(x: Expression): Distribution {
  const [slope, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = x.mul(x);
  const inner = x.graph.scalar(slope).add(square.mul(slope * cubic));
  const halfInnerSlope = x.graph.scalar(slope / 2).add(square.mul(1.5 * slope * cubic));
  const tanh = x.mul(inner).tanh();
  const density = tanh.mul(tanh).subtractFrom(1).mul(halfInnerSlope);
  return { cdf: tanh.add(1).mul(0.5), density };
}
