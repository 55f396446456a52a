/**
 * @file The operators that graphs here may use, by family, and which may compute in half precision (11 bits of fraction, 6e-8 to
 * 65504). Each runs on onnxruntime's CPU and WebGPU providers (so chains of Add, not Sum; Where with Greater, not Sign), except
 * for what docs/gpu.md lists. The shape rules and the gradient rules are total over this list: an operator added here without
 * both does not compile.
 *
 * The choice of precision follows PyTorch's autocast, except that operators for which autocast keeps the type of their inputs
 * are in half precision here.
 */

/**
 * - `product`: where a network spends its time and memory. Kernels accumulate in more bits than they store, except WebGPU's.
 * - `half`: rounds each element once, as the products before it do, or only moves elements.
 * - `single`: adds up many elements, amplifies small relative errors (exponentials, powers, quotients of sums), or has
 *   intermediates that half precision cannot hold, such as the square of 300.
 */
type HalfKind = 'product' | 'half' | 'single';

export const OPERATORS = {
  // elementwise, one input
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
  // elementwise, several inputs with broadcasting
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
  // reductions and along-axis
  ArgMax: 'half',
  CumSum: 'single',
  LogSoftmax: 'single',
  ReduceMax: 'half',
  ReduceMean: 'single',
  ReduceMin: 'half',
  ReduceSum: 'single',
  ReduceSumSquare: 'single',
  Softmax: 'single',
  // linear algebra
  Gemm: 'product',
  MatMul: 'product',
  // movement
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
  // normalization
  GroupNormalization: 'single',
  InstanceNormalization: 'single',
  LayerNormalization: 'single',
  // convolution and resampling
  AveragePool: 'single',
  Conv: 'product',
  ConvTranspose: 'product',
  DepthToSpace: 'half',
  GlobalAveragePool: 'single',
  Resize: 'half',
} as const satisfies Readonly<Record<string, HalfKind>>;

export type OpName = keyof typeof OPERATORS;

export const OP_NAMES = Object.keys(OPERATORS) as OpName[];

/** Whether an operator of the ONNX domain is in the list. */
export function isOpName(op: string): op is OpName {
  return Object.hasOwn(OPERATORS, op);
}
