/**
 * @file Output type and shape of every operator, from its inputs. The table is total: it is the one place that catches wrong
 * shapes.
 */

import { at } from '../../../at.js';
import type { ElementType } from '../../tensor.js';
import {
  type Application,
  broadcastShapes,
  constantIntegers,
  mismatch,
  type OutputType,
  operand,
  positiveAxis,
  reducedAxes,
} from '../application.js';
import { formatShape, intAttribute, type Value } from '../graph.js';
import type { OpName } from '../op-names.js';
import { convolution, depthToSpace, pooling, resize, transposedConvolution } from './convolution-shapes.js';
import {
  concat,
  expand,
  flatten,
  gather,
  pad,
  reshape,
  slice,
  split,
  squeeze,
  tile,
  transpose,
  unsqueeze,
} from './movement-shapes.js';

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

function reduceShape(node: Application, axes: readonly number[]): number[] {
  const { shape } = operand(node);
  const keep = intAttribute(node, 'keepdims', 1) === 1;
  if (keep) return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return shape.filter((_, axis) => !axes.includes(axis));
}

const reduction: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axes = reducedAxes(node, shape.length, constantIntegers(node, 1));
  return [{ type, shape: reduceShape(node, axes) }];
};

const matMul: ShapeRule = (node) => {
  const [left, right] = [operand(node, 0), operand(node, 1)];
  if (left.shape.length < 2 || right.shape.length < 2) mismatch(node, 'matrices');
  if (left.shape.at(-1) !== right.shape.at(-2)) mismatch(node, 'equal inner axes');
  const batch =
    broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2)) ??
    mismatch(node, 'batch axes that broadcast');
  return [{ type: left.type, shape: [...batch, at(left.shape, -2), at(right.shape, -1)] }];
};

const gemm: ShapeRule = (node) => {
  const expected = 'two matrices with equal inner axes';
  const matrix = (index: number, transposition: string): readonly [rows: number, columns: number] => {
    const { shape } = operand(node, index);
    if (shape.length !== 2) mismatch(node, expected);
    const [rows, columns] = shape as [number, number];
    return intAttribute(node, transposition, 0) ? [columns, rows] : [rows, columns];
  };
  const [rows, innerLeft] = matrix(0, 'transA');
  const [innerRight, columns] = matrix(1, 'transB');
  if (innerLeft !== innerRight) mismatch(node, expected);
  const shape = [rows, columns];
  const addend = node.inputs[2] ? broadcastShapes(shape, node.inputs[2].shape) : shape;
  if (addend?.length !== 2 || addend.some((size, axis) => size !== shape[axis]))
    mismatch(node, `an addend that broadcasts to ${formatShape(shape)}`);
  return [{ type: operand(node).type, shape }];
};

const layerNormalization: ShapeRule = (node) => {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', -1), shape.length);
  const statistics = { type, shape: shape.map((size, i) => (i < axis ? size : 1)) };
  return [{ type, shape }, statistics, statistics];
};

const instanceNormalization: ShapeRule = (node) => rowNormalization(node, at(operand(node).shape, 1));

/** In opsets 18 to 20, scale and bias have one number per group; from 21 on, one per channel. Graphs here use opset 20. */
const groupNormalization: ShapeRule = (node) => {
  const groups = intAttribute(node, 'num_groups', 1);
  if (at(operand(node).shape, 1) % groups !== 0) mismatch(node, `channels that divide into ${groups} groups`);
  return rowNormalization(node, groups);
};

function rowNormalization(node: Application, rows: number): OutputType[] {
  const { type, shape } = operand(node);
  if (operand(node, 1).shape[0] !== rows || operand(node, 2).shape[0] !== rows)
    mismatch(node, `scale and bias of ${rows} elements`);
  return [{ type, shape }];
}

/** Grouped as in op-names.ts. */
const SHAPE_RULES: Readonly<Record<OpName, ShapeRule>> = {
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
    return [{ type: 'int64', shape: reduceShape(node, [axis]) }];
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
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  GatherElements: (node) => [{ type: operand(node).type, shape: operand(node, 1).shape }],
  Pad: pad,
  Reshape: reshape,
  ScatterND: same,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,

  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,

  AveragePool: pooling,
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  DepthToSpace: depthToSpace,
  GlobalAveragePool: (node) => [
    { type: operand(node).type, shape: operand(node).shape.map((size, axis) => (axis < 2 ? size : 1)) },
  ],
  Resize: resize,
};

/**
 * Returns the output types and shapes of an application.
 *
 * Errors: TRIB_GRAPH, naming the node and the shapes, if the inputs do not fit.
 */
export function inferOutputs(node: Application): OutputType[] {
  return SHAPE_RULES[node.op](node);
}
