/**
 * @file Output type and shape of every operator, from its inputs. A total table: the one place where a wrong shape is
 * caught.
 */

import type { ElementType } from '../tensor.js';
import type { Application, OutputType } from './application.js';
import { broadcastShapes, constantIntegers, mismatch, operand, positiveAxis } from './application.js';
import { convolution, pooling, transposedConvolution } from './convolution-shapes.js';
import type { Value } from './graph.js';
import { formatShape, intAttribute, intsAttribute, textAttribute } from './graph.js';
import type { OpName } from './op-names.js';

type ShapeRule = (node: Application) => OutputType[];

const ELEMENT_TYPES: Readonly<Record<number, ElementType>> = {
  1: 'float32',
  2: 'uint8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
};

function broadcastInputs(node: Application, inputs: readonly (Value | undefined)[] = node.inputs): number[] {
  let shape: number[] = [];
  for (const input of inputs) {
    if (input === undefined) continue;
    shape = broadcastShapes(shape, input.shape) ?? mismatch(node, 'shapes that broadcast');
  }
  return shape;
}

const same: ShapeRule = (node) => [{ type: operand(node).type, shape: operand(node).shape }];
const broadcast: ShapeRule = (node) => {
  if (node.inputs.some((input) => input !== undefined && input.type !== operand(node).type))
    mismatch(node, 'inputs of one element type');
  return [{ type: operand(node).type, shape: broadcastInputs(node) }];
};
const comparison: ShapeRule = (node) => [{ type: 'bool', shape: broadcastInputs(node) }];

const reduction: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axes = (constantIntegers(node, 1) ?? shape.map((_, axis) => axis)).map((axis) =>
    positiveAxis(axis, shape.length),
  );
  const keep = intAttribute(node, 'keepdims', 1) === 1;
  return [
    {
      type,
      shape: keep
        ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
        : shape.filter((_, axis) => !axes.includes(axis)),
    },
  ];
};

const matMul: ShapeRule = (node) => {
  const [left, right] = [operand(node, 0), operand(node, 1)];
  if (left.shape.length < 2 || right.shape.length < 2) mismatch(node, 'matrices');
  if (left.shape.at(-1) !== right.shape.at(-2)) mismatch(node, 'equal inner axes');
  const batch =
    broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2)) ??
    mismatch(node, 'batch axes that broadcast');
  return [{ type: left.type, shape: [...batch, left.shape.at(-2) ?? 1, right.shape.at(-1) ?? 1] }];
};

const gemm: ShapeRule = (node) => {
  const [left, right] = [operand(node, 0).shape, operand(node, 1).shape];
  const [rows, innerLeft] = intAttribute(node, 'transA', 0) ? [left[1], left[0]] : [left[0], left[1]];
  const [innerRight, columns] = intAttribute(node, 'transB', 0) ? [right[1], right[0]] : [right[0], right[1]];
  if (left.length !== 2 || right.length !== 2 || innerLeft !== innerRight)
    mismatch(node, 'two matrices with equal inner axes');
  return [{ type: operand(node).type, shape: [rows ?? 1, columns ?? 1] }];
};

const reshape: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const wanted = (constantIntegers(node, 1) ?? []).map((size, axis) =>
    size === 0 ? (shape[axis] ?? 1) : size,
  );
  const count = shape.reduce((product, size) => product * size, 1);
  const known = wanted.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const result = wanted.map((size) => (size === -1 ? count / known : size));
  if (
    result.reduce((product, size) => product * size, 1) !== count ||
    result.some((size) => !Number.isInteger(size))
  ) {
    mismatch(node, `as many elements as ${formatShape(wanted)} has`);
  }
  return [{ type, shape: result }];
};

const slice: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const starts = constantIntegers(node, 1) ?? [];
  const ends = constantIntegers(node, 2) ?? [];
  const axes = constantIntegers(node, 3) ?? starts.map((_, axis) => axis);
  const steps = constantIntegers(node, 4) ?? starts.map(() => 1);
  const result = [...shape];
  axes.forEach((given, index) => {
    const axis = positiveAxis(given, shape.length);
    const size = shape[axis] ?? 0;
    const step = steps[index] ?? 1;
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (position: number) =>
      Math.min(Math.max(position < 0 ? position + size : position, low), high);
    result[axis] = Math.max(0, Math.ceil((clamp(ends[index] ?? size) - clamp(starts[index] ?? 0)) / step));
  });
  return [{ type, shape: result }];
};

const concat: ShapeRule = (node) => {
  const first = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), first.shape.length);
  const fits = node.inputs.every(
    (input) =>
      input?.shape.length === first.shape.length &&
      input.shape.every((size, i) => i === axis || size === first.shape[i]),
  );
  if (!fits) mismatch(node, `equal shapes apart from axis ${axis}`);
  const total = node.inputs.reduce((sum, input) => sum + (input?.shape[axis] ?? 0), 0);
  return [{ type: first.type, shape: first.shape.map((size, i) => (i === axis ? total : size)) }];
};

const split: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
  const size = shape[axis] ?? 0;
  const parts = intAttribute(node, 'num_outputs', 0);
  const chunk = Math.ceil(size / parts);
  const sizes =
    constantIntegers(node, 1) ?? Array.from({ length: parts }, (_, i) => Math.min(chunk, size - i * chunk));
  if (sizes.reduce((sum, part) => sum + part, 0) !== size) mismatch(node, `parts that add up to ${size}`);
  return sizes.map((part) => ({ type, shape: shape.map((whole, i) => (i === axis ? part : whole)) }));
};

const gather: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
  return [{ type, shape: [...shape.slice(0, axis), ...operand(node, 1).shape, ...shape.slice(axis + 1)] }];
};

const pad: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const pads = constantIntegers(node, 1) ?? [];
  const axes = (constantIntegers(node, 3) ?? shape.map((_, axis) => axis)).map((axis) =>
    positiveAxis(axis, shape.length),
  );
  const result = [...shape];
  axes.forEach((axis, index) => {
    result[axis] = (shape[axis] ?? 0) + (pads[index] ?? 0) + (pads[index + axes.length] ?? 0);
  });
  return [{ type, shape: result }];
};

const squeeze: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axes =
    constantIntegers(node, 1)?.map((axis) => positiveAxis(axis, shape.length)) ??
    shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  return [{ type, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
};

const unsqueeze: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const rank = shape.length + (constantIntegers(node, 1) ?? []).length;
  const axes = (constantIntegers(node, 1) ?? []).map((axis) => positiveAxis(axis, rank));
  const rest = [...shape];
  return [
    {
      type,
      shape: Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : (rest.shift() ?? 1))),
    },
  ];
};

const transpose: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const order = intsAttribute(node, 'perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (order.length !== shape.length) mismatch(node, `a permutation of ${shape.length} axes`);
  return [{ type, shape: order.map((axis) => shape[axis] ?? 1) }];
};

const layerNormalization: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', -1), shape.length);
  const statistics = { type, shape: shape.map((size, i) => (i < axis ? size : 1)) };
  return [{ type, shape }, statistics, statistics];
};

const channelNormalization: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  if (operand(node, 1).shape[0] !== shape[1] || operand(node, 2).shape[0] !== shape[1])
    mismatch(node, `scale and bias of ${shape[1]} channels`);
  return [{ type, shape }];
};

const resize: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const sizes = constantIntegers(node, 3);
  if (sizes) return [{ type, shape: sizes }];
  const scales = Array.from(node.constants[2]?.data as Float32Array);
  return [{ type, shape: shape.map((size, axis) => Math.floor(size * (scales[axis] ?? 1))) }];
};

const depthToSpace: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const block = intAttribute(node, 'blocksize', 1);
  return [{ type, shape: [batch, channels / block ** 2, height * block, width * block] }];
};

/** The table: total over the operators, grouped as in op-names.ts. */
export const SHAPE_RULES: Readonly<Record<OpName, ShapeRule>> = {
  Abs: same,
  Cast: (node) => [
    {
      type: ELEMENT_TYPES[intAttribute(node, 'to', 1)] ?? mismatch(node, 'a known element type'),
      shape: operand(node).shape,
    },
  ],
  Ceil: same,
  Clip: same,
  Cos: same,
  Elu: same,
  Erf: same,
  Exp: same,
  Floor: same,
  Gelu: same,
  HardSigmoid: same,
  Identity: same,
  LeakyRelu: same,
  Log: same,
  Neg: same,
  Not: same,
  Reciprocal: same,
  Relu: same,
  Sigmoid: same,
  Sin: same,
  Softplus: same,
  Sqrt: same,
  Tanh: same,

  Add: broadcast,
  And: broadcast,
  Div: broadcast,
  Equal: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  Max: broadcast,
  Min: broadcast,
  Mul: broadcast,
  Or: broadcast,
  Pow: (node) => [{ type: operand(node).type, shape: broadcastInputs(node) }],
  Sub: broadcast,
  Where: (node) => [{ type: operand(node, 1).type, shape: broadcastInputs(node) }],

  ArgMax: (node) => {
    const { shape } = operand(node);
    const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
    const keep = intAttribute(node, 'keepdims', 1) === 1;
    return [
      {
        type: 'int64',
        shape: keep ? shape.map((size, i) => (i === axis ? 1 : size)) : shape.filter((_, i) => i !== axis),
      },
    ];
  },
  CumSum: same,
  LogSoftmax: same,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceSum: reduction,
  ReduceSumSquare: reduction,
  Softmax: same,

  Gemm: gemm,
  MatMul: matMul,

  Concat: concat,
  Expand: (node) => [
    {
      type: operand(node).type,
      shape:
        broadcastShapes(operand(node).shape, constantIntegers(node, 1) ?? []) ??
        mismatch(node, 'a shape that broadcasts'),
    },
  ],
  Flatten: (node) => {
    const { type, shape } = operand(node);
    const axis = positiveAxis(intAttribute(node, 'axis', 1), shape.length);
    const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);
    return [{ type, shape: [product(shape.slice(0, axis)), product(shape.slice(axis))] }];
  },
  Gather: gather,
  GatherElements: (node) => [{ type: operand(node).type, shape: operand(node, 1).shape }],
  Pad: pad,
  Reshape: reshape,
  ScatterND: same,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: (node) => {
    const repeats = constantIntegers(node, 1) ?? [];
    return [
      {
        type: operand(node).type,
        shape: operand(node).shape.map((size, axis) => size * (repeats[axis] ?? 1)),
      },
    ];
  },
  Transpose: transpose,
  Unsqueeze: unsqueeze,

  GroupNormalization: channelNormalization,
  InstanceNormalization: channelNormalization,
  LayerNormalization: layerNormalization,

  AveragePool: pooling,
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  DepthToSpace: depthToSpace,
  GlobalAveragePool: (node) => [
    { type: operand(node).type, shape: operand(node).shape.map((size, axis) => (axis < 2 ? size : 1)) },
  ],
  Resize: (node) => {
    if (textAttribute(node, 'mode', 'nearest') !== 'nearest') mismatch(node, 'mode nearest');
    return resize(node);
  },
};

/** Output types and shapes of an application, or TRIB_GRAPH naming the node and the shapes. */
export function inferOutputs(node: Application): OutputType[] {
  return SHAPE_RULES[node.op](node);
}
