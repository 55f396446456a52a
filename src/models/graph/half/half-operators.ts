/**
 * @file Which operators may compute in half precision (11 bits of fraction, 6e-8 to 65504). The choice follows PyTorch's
 * autocast, except that operators for which autocast keeps the type of their inputs are in half precision here.
 */

import type { Node } from '../graph.js';
import { isOpName, type OpName } from '../op-names.js';

/**
 * - `product`: where a network spends its time and memory. Kernels accumulate in more bits than they store, except WebGPU's.
 * - `half`: rounds each element once, as the products before it do, or only moves elements.
 * - `single`: adds up many elements, amplifies small relative errors (exponentials, powers, quotients of sums), or has
 *   intermediates that half precision cannot hold, such as the square of 300.
 */
type HalfKind = 'product' | 'half' | 'single';

const KINDS: Readonly<Record<OpName, HalfKind>> = {
  Abs: 'half',
  Cast: 'half',
  Ceil: 'half',
  Clip: 'half',
  Cos: 'single',
  Elu: 'half',
  Erf: 'half',
  Exp: 'single',
  Floor: 'half',
  Gelu: 'half',
  HardSigmoid: 'half',
  Identity: 'half',
  LeakyRelu: 'half',
  Log: 'single',
  Neg: 'half',
  Not: 'half',
  Reciprocal: 'single',
  Relu: 'half',
  Sigmoid: 'half',
  Sin: 'single',
  Softplus: 'single',
  Sqrt: 'single',
  Tanh: 'half',

  Add: 'half',
  And: 'half',
  Div: 'half',
  Equal: 'half',
  Greater: 'half',
  GreaterOrEqual: 'half',
  Less: 'half',
  LessOrEqual: 'half',
  Max: 'half',
  Min: 'half',
  Mul: 'half',
  Or: 'half',
  Pow: 'single',
  Sub: 'half',
  Where: 'half',

  ArgMax: 'half',
  CumSum: 'single',
  LogSoftmax: 'single',
  ReduceMax: 'half',
  ReduceMean: 'single',
  ReduceMin: 'half',
  ReduceSum: 'single',
  ReduceSumSquare: 'single',
  Softmax: 'single',

  Gemm: 'product',
  MatMul: 'product',

  Concat: 'half',
  Expand: 'half',
  Flatten: 'half',
  Gather: 'half',
  GatherElements: 'half',
  Pad: 'half',
  Reshape: 'half',
  ScatterND: 'single', // with a reduction it adds up
  Slice: 'half',
  Split: 'half',
  Squeeze: 'half',
  Tile: 'half',
  Transpose: 'half',
  Unsqueeze: 'half',

  GroupNormalization: 'single',
  InstanceNormalization: 'single',
  LayerNormalization: 'single',

  AveragePool: 'single',
  Conv: 'product',
  ConvTranspose: 'product',
  DepthToSpace: 'half',
  GlobalAveragePool: 'single',
  Resize: 'half',
};

/** How an operator may compute. Unknown operators and onnxruntime's fused ones stay in single precision. */
export function halfKind({ op, domain }: Pick<Node, 'op' | 'domain'>): HalfKind {
  return domain === '' && isOpName(op) ? KINDS[op] : 'single';
}

/** Whether an input of an operator in half precision is in half precision too. The scales of a Resize never are. */
export const isHalfInput = ({ op }: Pick<Node, 'op'>, index: number): boolean =>
  op !== 'Resize' || index === 0;
