/**
 * @file The table of gradient rules: total over the operators, so that a new operator without a row does not compile.
 * A rule emits graph nodes, so the backward pass is an ONNX graph like any other. Identities stand above the rows; `dy` is
 * dL/dy. Conventions at ties and edges are those of PyTorch unless a row says otherwise.
 */

import { floatAttribute } from '../graph/graph.js';
import type { OpName } from '../graph/op-names.js';
import * as op from '../graph/ops/index.js';
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
    const positive = op.where(g, op.greater(g, x0, zero), dy, zero);
    return op.sub(g, positive, op.where(g, op.less(g, x0, zero), dy, zero));
  }),
  // y = cast x: dx = dy cast back; nothing flows through integers
  Cast: rule(({ g, dy, x: [x] }) => [x?.type.startsWith('float') ? op.cast(g, dy, x.type) : undefined]),
  Ceil: zero('piecewise constant'),
  // y = x inside [low, high]: dx = dy there (both bounds included), else 0
  Clip: clipRule,
  // d cos x = -sin x dx
  Cos: unary(({ g, dy, x0 }) => op.neg(g, op.mul(g, dy, op.sin(g, x0)))),
  // y = x, or a (e^x - 1) below 0: dx = dy, or dy (y + a)
  Elu: unary(({ g, dy, x0, y0, node }) => {
    const slope = op.add(g, y0, g.scalar(floatAttribute(node, 'alpha', 1)));
    return op.mul(g, dy, op.where(g, op.greater(g, x0, g.scalar(0)), g.scalar(1), slope));
  }),
  // d erf x = 2 / sqrt(pi) · e^(-x²) dx
  Erf: unary(({ g, dy, x0 }) =>
    op.mul(g, op.mul(g, dy, g.scalar(2 / Math.sqrt(Math.PI))), op.exp(g, op.neg(g, op.mul(g, x0, x0)))),
  ),
  // y = e^x: dx = dy · y
  Exp: unary(({ g, dy, y0 }) => op.mul(g, dy, y0)),
  Floor: zero('piecewise constant'),
  // y = x Φ(x): dx = dy (Φ(x) + x Φ'(x)), Φ exact or by tanh, as the node says
  Gelu: geluRule,
  // y = clip(a x + b, 0, 1): dx = a dy strictly inside, else 0
  HardSigmoid: unary(({ g, dy, y0, node }) => {
    const inside = op.and(g, op.greater(g, y0, g.scalar(0)), op.less(g, y0, g.scalar(1)));
    return op.where(g, inside, op.mul(g, dy, g.scalar(floatAttribute(node, 'alpha', 0.2))), g.scalar(0));
  }),
  // y = x: dx = dy
  Identity: unary(({ dy }) => dy),
  // y = x, or a x below 0: dx = dy, or a dy (a dy at 0, as PyTorch)
  LeakyRelu: unary(({ g, dy, x0, node }) => {
    const slope = g.scalar(floatAttribute(node, 'alpha', 0.01));
    return op.mul(g, dy, op.where(g, op.greater(g, x0, g.scalar(0)), g.scalar(1), slope));
  }),
  // y = ln x: dx = dy / x
  Log: unary(({ g, dy, x0 }) => op.div(g, dy, x0)),
  Neg: unary(({ g, dy }) => op.neg(g, dy)),
  Not: zero('logical'),
  // y = 1 / x: dx = -dy y²
  Reciprocal: unary(({ g, dy, y0 }) => op.neg(g, op.mul(g, dy, op.mul(g, y0, y0)))),
  // y = max(x, 0): dx = dy where x > 0; 0 at 0
  Relu: unary(({ g, dy, x0 }) => op.where(g, op.greater(g, x0, g.scalar(0)), dy, g.scalar(0))),
  // y = σ(x): dx = dy (y - y²)
  Sigmoid: unary(({ g, dy, y0 }) => op.mul(g, dy, op.sub(g, y0, op.mul(g, y0, y0)))),
  // d sin x = cos x dx
  Sin: unary(({ g, dy, x0 }) => op.mul(g, dy, op.cos(g, x0))),
  // y = ln(1 + e^x): dx = dy σ(x)
  Softplus: unary(({ g, dy, x0 }) => op.mul(g, dy, op.sigmoid(g, x0))),
  // y = sqrt x: dx = dy / (2 y)
  Sqrt: unary(({ g, dy, y0 }) => op.div(g, op.mul(g, dy, g.scalar(0.5)), y0)),
  // y = tanh x: dx = dy (1 - y²)
  Tanh: unary(({ g, dy, y0 }) => op.sub(g, dy, op.mul(g, dy, op.mul(g, y0, y0)))),

  Add: binary(
    ({ dy }) => dy,
    ({ dy }) => dy,
  ),
  And: zero('logical'),
  // y = a / b: da = dy / b, db = -dy y / b
  Div: binary(
    ({ g, dy }, _a, b) => op.div(g, dy, b),
    ({ g, dy, y }, _a, b) => op.neg(g, op.div(g, op.mul(g, dy, y[0] ?? dy), b)),
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
    ({ g, dy }, _a, b) => op.mul(g, dy, b),
    ({ g, dy }, a) => op.mul(g, dy, a),
  ),
  Or: zero('logical'),
  // y = a^b: da = dy b a^(b-1), db = dy y ln a (for a > 0)
  Pow: binary(
    ({ g, dy }, a, b) => {
      const exponent = b.type === a.type ? b : op.cast(g, b, a.type);
      return op.mul(g, dy, op.mul(g, exponent, op.pow(g, a, op.sub(g, exponent, g.scalar(1)))));
    },
    ({ g, dy, y }, a) => op.mul(g, dy, op.mul(g, y[0] ?? dy, op.log(g, a))),
  ),
  Sub: binary(
    ({ dy }) => dy,
    ({ g, dy }) => op.neg(g, dy),
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
