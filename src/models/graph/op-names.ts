/**
 * @file The operators that graphs here may use, by family. Each runs on onnxruntime's CPU and WebGPU providers (so chains of
 * Add, not Sum; Where with Greater, not Sign), except for what docs/gpu.md lists. The shape rules and the gradient rules are
 * total over this list: an operator added here without both does not compile.
 */

export const OP_NAMES = [
  // elementwise, one input
  'Abs',
  'Cast',
  'Ceil',
  'Clip',
  'Cos',
  'Elu',
  'Erf',
  'Exp',
  'Floor',
  'Gelu',
  'HardSigmoid',
  'Identity',
  'LeakyRelu',
  'Log',
  'Neg',
  'Not',
  'Reciprocal',
  'Relu',
  'Sigmoid',
  'Sin',
  'Softplus',
  'Sqrt',
  'Tanh',
  // elementwise, several inputs with broadcasting
  'Add',
  'And',
  'Div',
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'Max',
  'Min',
  'Mul',
  'Or',
  'Pow',
  'Sub',
  'Where',
  // reductions and along-axis
  'ArgMax',
  'CumSum',
  'LogSoftmax',
  'ReduceMax',
  'ReduceMean',
  'ReduceMin',
  'ReduceSum',
  'ReduceSumSquare',
  'Softmax',
  // linear algebra
  'Gemm',
  'MatMul',
  // movement
  'Concat',
  'Expand',
  'Flatten',
  'Gather',
  'GatherElements',
  'Pad',
  'Reshape',
  'ScatterND',
  'Slice',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
  // normalization
  'GroupNormalization',
  'InstanceNormalization',
  'LayerNormalization',
  // convolution and resampling
  'AveragePool',
  'Conv',
  'ConvTranspose',
  'DepthToSpace',
  'GlobalAveragePool',
  'Resize',
] as const;

export type OpName = (typeof OP_NAMES)[number];

const known: ReadonlySet<string> = new Set(OP_NAMES);

/** Whether an operator of the ONNX domain is in the list. */
export function isOpName(op: string): op is OpName {
  return known.has(op);
}
