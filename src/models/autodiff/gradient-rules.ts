/**
 * @file The table of gradient rules: total over the operators, so that a new operator without a row does not compile. Above
 * each row is the identity that it emits, in which dx stands for dL/dx. Rules emit graph nodes, so the backward pass is an
 * ONNX graph like any other. At ties and edges they follow PyTorch.
 */

import { floatAttribute, intAttribute } from '../graph/graph.js';
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
  gatherElementsRule,
  gatherRule,
  padRule,
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
import { cumSumRule, keepAxes, reduceExtremeRule, reduceMeanRule } from './reduction-rules.js';
import { resizeRule } from './resize-rule.js';
import type { GradientRule } from './rule.js';
import { binary, rule, unary, zero } from './rule.js';
import { clipRule, extremeRule, whereRule } from './selection-rules.js';

export const GRADIENT_RULES: Readonly<Record<OpName, GradientRule>> = {
  // y = |x|: dx = dy sign x, which is 0 at 0
  Abs: unary(({ dy, x }) => x.greater(0).where(dy, 0).sub(x.less(0).where(dy, 0))),
  // y = x in another type: dx = dy in the type of x; nothing flows through integers
  Cast: rule(({ dy, inputs: [x] }) => [x?.type.startsWith('float') ? () => dy.cast(x.type) : undefined]),
  Ceil: zero('piecewise constant'),
  // y = clip(x, low, high): dx = dy if low <= x <= high, else 0
  Clip: clipRule,
  // y = cos x: dx = -dy sin x
  Cos: unary(({ dy, x }) => dy.mul(x.sin()).neg()),
  // y = x if x > 0, else α (e^x - 1): dx = dy if x > 0, else dy (y + α)
  Elu: unary(({ dy, x, y, node }) => {
    const slope = y.add(floatAttribute(node, 'alpha', 1));
    return dy.mul(x.greater(0).where(1, slope));
  }),
  // y = erf x: dx = dy 2/√π e^(-x²)
  Erf: unary(({ dy, x }) => dy.mul(2 / Math.sqrt(Math.PI)).mul(x.mul(x).neg().exp())),
  // y = e^x: dx = dy y
  Exp: unary(({ dy, y }) => dy.mul(y)),
  Floor: zero('piecewise constant'),
  // y = x Φ(x): dx = dy (Φ(x) + x Φ'(x))
  Gelu: geluRule,
  // y = clip(α x + β, 0, 1): dx = α dy if 0 < y < 1, else 0
  HardSigmoid: unary(({ dy, y, node }) => {
    const inside = y.greater(0).and(y.less(1));
    return inside.where(dy.mul(floatAttribute(node, 'alpha', 0.2)), 0);
  }),
  // y = x: dx = dy
  Identity: unary(({ dy }) => dy),
  // y = x if x > 0, else α x: dx = dy if x > 0, else α dy
  LeakyRelu: unary(({ g, dy, x, node }) => {
    const slope = g.scalar(floatAttribute(node, 'alpha', 0.01));
    return dy.mul(x.greater(0).where(1, slope));
  }),
  // y = ln x: dx = dy / x
  Log: unary(({ dy, x }) => dy.div(x)),
  // y = -x: dx = -dy
  Neg: unary(({ dy }) => dy.neg()),
  Not: zero('logical'),
  // y = 1 / x: dx = -dy y²
  Reciprocal: unary(({ dy, y }) => dy.mul(y.mul(y)).neg()),
  // y = max(x, 0): dx = dy if x > 0, else 0
  Relu: unary(({ dy, x }) => x.greater(0).where(dy, 0)),
  // y = σ(x): dx = dy (y - y²)
  Sigmoid: unary(({ dy, y }) => dy.mul(y.sub(y.mul(y)))),
  // y = sin x: dx = dy cos x
  Sin: unary(({ dy, x }) => dy.mul(x.cos())),
  // y = ln(1 + e^x): dx = dy σ(x)
  Softplus: unary(({ dy, x }) => dy.mul(x.sigmoid())),
  // y = √x: dx = dy / (2 y)
  Sqrt: unary(({ dy, y }) => dy.mul(0.5).div(y)),
  // y = tanh x: dx = dy - dy y²
  Tanh: unary(({ dy, y }) => dy.sub(dy.mul(y.mul(y)))),

  // y = a + b: da = dy, db = dy
  Add: binary({ da: ({ dy }) => dy, db: ({ dy }) => dy }),
  And: zero('logical'),
  // y = a / b: da = dy / b, db = -dy y / b
  Div: binary({ da: ({ dy, b }) => dy.div(b), db: ({ dy, y, b }) => dy.mul(y).div(b).neg() }),
  Equal: zero('logical'),
  Greater: zero('logical'),
  GreaterOrEqual: zero('logical'),
  Less: zero('logical'),
  LessOrEqual: zero('logical'),
  // y = the largest or smallest of several: dy goes to those equal to y, in equal shares
  Max: extremeRule,
  Min: extremeRule,
  // y = a b: da = dy b, db = dy a
  Mul: binary({ da: ({ dy, b }) => dy.mul(b), db: ({ dy, a }) => dy.mul(a) }),
  Or: zero('logical'),
  // y = a^b: da = dy b a^(b-1), db = dy y ln a
  Pow: binary({
    da: ({ dy, a, b }) => {
      const exponent = b.type === a.type ? b : b.cast(a.type);
      return dy.mul(exponent.mul(a.pow(exponent.sub(1))));
    },
    db: ({ dy, y, a }) => dy.mul(y.mul(a.log())),
  }),
  // y = a - b: da = dy, db = -dy
  Sub: binary({ da: ({ dy }) => dy, db: ({ dy }) => dy.neg() }),
  // y = a if c, else b: da = dy if c, else 0; db = 0 if c, else dy
  Where: whereRule,

  ArgMax: zero('an index'),
  // y = running sums of x: dx = running sums of dy from the other end
  CumSum: cumSumRule,
  // y = ln softmax x: dx = dy - e^y Σ dy
  LogSoftmax: unary(({ dy, y, node }) => dy.sub(y.exp().mul(dy.reduceSum([intAttribute(node, 'axis', -1)])))),
  // y = max x or min x: dy goes to the elements equal to y, in equal shares
  ReduceMax: reduceExtremeRule,
  ReduceMin: reduceExtremeRule,
  // y = mean x: dx = dy / n, spread over the reduced axes
  ReduceMean: reduceMeanRule,
  // y = Σ x: dx = dy, spread over the reduced axes
  ReduceSum: unary((context) => keepAxes(context.dy, context).expand(context.x.shape)),
  // y = Σ x²: dx = 2 x dy
  ReduceSumSquare: unary((context) => context.x.mul(keepAxes(context.dy, context).mul(2))),
  // y = softmax x: dx = y dy - y Σ y dy
  Softmax: unary(({ dy, y, node }) => {
    const weighted = dy.mul(y);
    return weighted.sub(y.mul(weighted.reduceSum([intAttribute(node, 'axis', -1)])));
  }),

  // y = α A B + β C: dA = α dy Bᵀ, dB = α Aᵀ dy, dC = β dy
  Gemm: gemmRule,
  // y = a b: da = dy bᵀ, db = aᵀ dy
  MatMul: matMulRule,

  // y = the inputs side by side: each gets its stretch of dy
  Concat: concatRule,
  // y = copies of x: dx = dy, which the driver sums over the copies
  Expand: unary(({ dy }) => dy),
  // y = x in another shape: dx = dy in the shape of x
  Flatten: unary(({ dy, x }) => dy.reshape(x.shape)),
  Reshape: unary(({ dy, x }) => dy.reshape(x.shape)),
  Squeeze: unary(({ dy, x }) => dy.reshape(x.shape)),
  Unsqueeze: unary(({ dy, x }) => dy.reshape(x.shape)),
  // y = x at places: dx = dy, added up at those places
  Gather: gatherRule,
  GatherElements: gatherElementsRule,
  // y = x among zeros: dx = dy, cut out again
  Pad: padRule,
  // y = x with updates u added at places: dx = dy, du = dy at those places
  ScatterND: scatterNdRule,
  // y = a part of x: dx = dy among zeros
  Slice: sliceRule,
  // y₁, y₂, ... = parts of x: dx = dy₁, dy₂, ... side by side
  Split: splitRule,
  // y = x, repeated: dx = dy, summed over the repetitions
  Tile: tileRule,
  // y = x with its axes in another order: dx = dy with its axes in theirs
  Transpose: transposeRule,

  // y = n s + b, n = (x - mean) / std: dx as in `normalization-rules.ts`, ds = Σ dy n, db = Σ dy
  GroupNormalization: groupNormalizationRule,
  InstanceNormalization: instanceNormalizationRule,
  LayerNormalization: layerNormalizationRule,

  // y = x ⋆ k, with k constant: dx as that of Conv
  AveragePool: averagePoolRule,
  // y = x ⋆ w + b: dx = dy convolved with w transposed, dw = x correlated with dy, db = Σ dy
  Conv: convRule,
  // the transpose of Conv: dx = dy ⋆ w, dw = dy correlated with x, db = Σ dy
  ConvTranspose: convTransposeRule,
  // y = x with its axes of blocks in another order: dx = dy with them in the old one
  DepthToSpace: depthToSpaceRule,
  // y = the mean of x over all positions: dx = dy / n
  GlobalAveragePool: globalAveragePoolRule,
  // y = blocks of copies of x: dx = dy, summed over each block
  Resize: resizeRule,
};
