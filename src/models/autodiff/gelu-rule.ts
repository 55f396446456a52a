/** @file Gradient of GELU, y = x Φ(x), in its two forms (Hendrycks and Gimpel 2016, section 2). */

import type { Value } from '../graph/graph.js';
import { textAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { unary } from './rule.js';

/** dx = dy (Φ(x) + x Φ'(x)); Φ is the normal distribution function, or its tanh form where the node asks for that. */
export const geluRule = unary(({ g, dy, x0, node }) => {
  const { cdf, density } =
    textAttribute(node, 'approximate', 'none') === 'tanh' ? tanhForm(g, x0) : exactForm(g, x0);
  return op.mul(g, dy, op.add(g, cdf, op.mul(g, x0, density)));
});

interface Distribution {
  readonly cdf: Value;
  readonly density: Value;
}

/** Φ(x) = (1 + erf(x / √2)) / 2, Φ'(x) = e^(-x² / 2) / √(2π). */
function exactForm(g: GraphBuilder, x: Value): Distribution {
  const cdf = halfPlusHalf(g, op.erf(g, op.mul(g, x, g.scalar(Math.SQRT1_2))));
  const bell = op.exp(g, op.mul(g, op.mul(g, x, x), g.scalar(-0.5)));
  return { cdf, density: op.mul(g, bell, g.scalar(1 / Math.sqrt(2 * Math.PI))) };
}

/** Φ(x) = (1 + tanh u) / 2 with u = √(2/π) (x + c x³), Φ'(x) = (1 - tanh² u) u' / 2, c = 0.044715. */
function tanhForm(g: GraphBuilder, x: Value): Distribution {
  const [slope, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = op.mul(g, x, x);
  const inner = op.add(g, g.scalar(slope), op.mul(g, square, g.scalar(slope * cubic)));
  const innerSlope = op.add(g, g.scalar(slope / 2), op.mul(g, square, g.scalar(1.5 * slope * cubic)));
  const tanh = op.tanh(g, op.mul(g, x, inner));
  const density = op.mul(g, op.sub(g, g.scalar(1), op.mul(g, tanh, tanh)), innerSlope);
  return { cdf: halfPlusHalf(g, tanh), density };
}

function halfPlusHalf(g: GraphBuilder, x: Value): Value {
  return op.mul(g, op.add(g, x, g.scalar(1)), g.scalar(0.5));
}
