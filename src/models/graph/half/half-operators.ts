/**
 * @file Which operators may compute in half precision (11 bits of fraction, from 6e-8 to 65504). The choice is that of
 * PyTorch's autocast, but for what autocast leaves to the types that come: that is stored in half here as well.
 */

import type { Node } from '../graph.js';
import { isOpName, type OpName } from '../op-names.js';

/**
 * - `product`: what a network's time and memory go to. Kernels add up in more bits than they store, but for WebGPU's.
 * - `half`: rounds once an element, as every product before it has, or only moves elements.
 * - `single`: adds up many elements, or turns a small relative error into a large one (exponentials, powers, quotients of
 *   sums), or has an intermediate that half precision cannot hold, such as the square of 300.
 */
export type HalfKind = 'product' | 'half' | 'single';

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

/** How an operator may compute; one that is not known stays in single precision, and so do onnxruntime's fused ones. */
export function halfKind({ op, domain }: Pick<Node, 'op' | 'domain'>): HalfKind {
  return domain === '' && isOpName(op) ? KINDS[op] : 'single';
}

/** Whether an input of an operator in half precision is in half precision too: the scales of a Resize are always single. */
export const isHalfInput = ({ op }: Pick<Node, 'op'>, index: number): boolean =>
  op !== 'Resize' || index === 0;
