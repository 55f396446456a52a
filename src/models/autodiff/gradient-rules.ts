/**
 * @file The table of gradient rules: total over the operators, so that a new operator without a row does not compile.
 * A rule emits graph nodes, so the backward pass is an ONNX graph like any other. Identities stand above the rows; `dy` is
 * dL/dy. Conventions at ties and edges are those of PyTorch unless a row says otherwise.
 */

import { floatAttribute } from '../graph/graph.js';
import type { OpName } from '../graph/op-names.js';
import {
  averagePoolRule,
  convRule,
  convTransposeRule,
  depthToSpaceRule,
  globalAveragePoolRule,
} from './convolution-rules.js';
import { geluRule } from './gelu-rule.js';
import { gemmRule, matMulRule } from './linear-rules.js';
import {
  concatRule,
  expandRule,
  gatherElementsRule,
  gatherRule,
  padRule,
  reshapeLikeRule,
  scatterNdRule,
  sliceRule,
  splitRule,
  tileRule,
  transposeRule,
} from './movement-rules.js';
import {
  groupNormalizationRule,
  instanceNormalizationRule,
  layerNormalizationRule,
} from './normalization-rules.js';
import {
  cumSumRule,
  extremeReductionRule,
  logSoftmaxRule,
  reduceMeanRule,
  reduceSumRule,
  reduceSumSquareRule,
  softmaxRule,
} from './reduction-rules.js';
import { resizeRule } from './resize-rule.js';
import type { GradientRule } from './rule.js';
import { binary, rule, unary, zero } from './rule.js';
import { clipRule, extremeRule, whereRule } from './selection-rules.js';

export const GRADIENT_RULES: Readonly<Record<OpName, GradientRule>> = {
  // y = |x|: dx = dy · sign x; 0 at 0
  Abs: unary(({ g, dy, x0 }) => {
    const zero = g.scalar(0);
    const positive = x0.greater(zero).where(dy, zero);
    return positive.sub(x0.less(zero).where(dy, zero));
  }),
  // y = cast x: dx = dy cast back; nothing flows through integers
  Cast: rule(({ dy, x: [x] }) => [x?.type.startsWith('float') ? dy.cast(x.type) : undefined]),
  Ceil: zero('piecewise constant'),
  // y = x inside [low, high]: dx = dy there (both bounds included), else 0
  Clip: clipRule,
  // d cos x = -sin x dx
  Cos: unary(({ dy, x0 }) => dy.mul(x0.sin()).neg()),
  // y = x, or a (e^x - 1) below 0: dx = dy, or dy (y + a)
  Elu: unary(({ dy, x0, y0, node }) => {
    const slope = y0.add(floatAttribute(node, 'alpha', 1));
    return dy.mul(x0.greater(0).where(1, slope));
  }),
  // d erf x = 2 / sqrt(pi) · e^(-x²) dx
  Erf: unary(({ dy, x0 }) => dy.mul(2 / Math.sqrt(Math.PI)).mul(x0.mul(x0).neg().exp())),
  // y = e^x: dx = dy · y
  Exp: unary(({ dy, y0 }) => dy.mul(y0)),
  Floor: zero('piecewise constant'),
  // y = x Φ(x): dx = dy (Φ(x) + x Φ'(x)), Φ exact or by tanh, as the node says
  Gelu: geluRule,
  // y = clip(a x + b, 0, 1): dx = a dy strictly inside, else 0
  HardSigmoid: unary(({ dy, y0, node }) => {
    const inside = y0.greater(0).and(y0.less(1));
    return inside.where(dy.mul(floatAttribute(node, 'alpha', 0.2)), 0);
  }),
  // y = x: dx = dy
  Identity: unary(({ dy }) => dy),
  // y = x, or a x below 0: dx = dy, or a dy (a dy at 0, as PyTorch)
  LeakyRelu: unary(({ g, dy, x0, node }) => {
    const slope = g.scalar(floatAttribute(node, 'alpha', 0.01));
    return dy.mul(x0.greater(0).where(1, slope));
  }),
  // y = ln x: dx = dy / x
  Log: unary(({ dy, x0 }) => dy.div(x0)),
  Neg: unary(({ dy }) => dy.neg()),
  Not: zero('logical'),
  // y = 1 / x: dx = -dy y²
  Reciprocal: unary(({ dy, y0 }) => dy.mul(y0.mul(y0)).neg()),
  // y = max(x, 0): dx = dy where x > 0; 0 at 0
  Relu: unary(({ dy, x0 }) => x0.greater(0).where(dy, 0)),
  // y = σ(x): dx = dy (y - y²)
  Sigmoid: unary(({ dy, y0 }) => dy.mul(y0.sub(y0.mul(y0)))),
  // d sin x = cos x dx
  Sin: unary(({ dy, x0 }) => dy.mul(x0.cos())),
  // y = ln(1 + e^x): dx = dy σ(x)
  Softplus: unary(({ dy, x0 }) => dy.mul(x0.sigmoid())),
  // y = sqrt x: dx = dy / (2 y)
  Sqrt: unary(({ dy, y0 }) => dy.mul(0.5).div(y0)),
  // y = tanh x: dx = dy (1 - y²)
  Tanh: unary(({ dy, y0 }) => dy.sub(dy.mul(y0.mul(y0)))),

  Add: binary(
    ({ dy }) => dy,
    ({ dy }) => dy,
  ),
  And: zero('logical'),
  // y = a / b: da = dy / b, db = -dy y / b
  Div: binary(
    ({ dy }, _a, b) => dy.div(b),
    ({ dy, y }, _a, b) =>
      dy
        .mul(y[0] ?? dy)
        .div(b)
        .neg(),
  ),
  Equal: zero('logical'),
  Greater: zero('logical'),
  GreaterOrEqual: zero('logical'),
  Less: zero('logical'),
  LessOrEqual: zero('logical'),
  // ties: shared equally, as PyTorch's amax does
  Max: extremeRule,
  Min: extremeRule,
  // y = a b: da = dy b, db = dy a
  Mul: binary(
    ({ dy }, _a, b) => dy.mul(b),
    ({ dy }, a) => dy.mul(a),
  ),
  Or: zero('logical'),
  // y = a^b: da = dy b a^(b-1), db = dy y ln a (for a > 0)
  Pow: binary(
    ({ dy }, a, b) => {
      const exponent = b.type === a.type ? b : b.cast(a.type);
      return dy.mul(exponent.mul(a.pow(exponent.sub(1))));
    },
    ({ dy, y }, a) => dy.mul((y[0] ?? dy).mul(a.log())),
  ),
  Sub: binary(
    ({ dy }) => dy,
    ({ dy }) => dy.neg(),
  ),
  Where: whereRule,

  ArgMax: zero('an index'),
  CumSum: cumSumRule,
  LogSoftmax: logSoftmaxRule,
  ReduceMax: extremeReductionRule,
  ReduceMean: reduceMeanRule,
  ReduceMin: extremeReductionRule,
  ReduceSum: reduceSumRule,
  ReduceSumSquare: reduceSumSquareRule,
  Softmax: softmaxRule,

  Gemm: gemmRule,
  MatMul: matMulRule,

  Concat: concatRule,
  Expand: expandRule,
  Flatten: reshapeLikeRule,
  Gather: gatherRule,
  GatherElements: gatherElementsRule,
  Pad: padRule,
  Reshape: reshapeLikeRule,
  ScatterND: scatterNdRule,
  Slice: sliceRule,
  Split: splitRule,
  Squeeze: reshapeLikeRule,
  Tile: tileRule,
  Transpose: transposeRule,
  Unsqueeze: reshapeLikeRule,

  GroupNormalization: groupNormalizationRule,
  InstanceNormalization: instanceNormalizationRule,
  LayerNormalization: layerNormalizationRule,

  AveragePool: averagePoolRule,
  Conv: convRule,
  ConvTranspose: convTransposeRule,
  DepthToSpace: depthToSpaceRule,
  GlobalAveragePool: globalAveragePoolRule,
  Resize: resizeRule,
};
