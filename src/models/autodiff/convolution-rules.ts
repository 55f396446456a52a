/** @file Gradients of convolution and resampling. */

import { TributaryError } from '../../errors.js';
import type { Node } from '../graph/graph.js';
import { formatShape, intAttribute, intsAttribute, textAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import { conv, convTranspose } from '../graph/ops/convolution.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import type { Window } from '../graph/shapes/convolution-shapes.js';
import { windowOf } from '../graph/shapes/convolution-shapes.js';
import { float32 } from '../tensor.js';
import { rule, unary } from './rule.js';

/** y = x ⋆ w + b: dx is the transposed convolution of dy, dw correlates x with dy, db sums dy. */
export const convRule = rule(({ g, node, x: [x, weight], dy, wants }) => {
  if (!x || !weight) return [];
  const window = explicitWindow(node, weight.shape.slice(2));
  return [
    wants(0) ? inputGradient(g, dy, weight, window, x.shape) : undefined,
    wants(1) ? filterGradient(x, dy, window) : undefined,
    wants(2) ? sumOverPositions(dy) : undefined,
  ];
});

/** ConvTranspose is the transpose of Conv: dx is a convolution of dy, and in dw the two change places. */
export const convTransposeRule = rule(({ node, x: [x, weight], dy, wants }) => {
  if (!x || !weight) return [];
  const window = explicitWindow(node, weight.shape.slice(2));
  const { strides, dilations, pads, groups } = window;
  return [
    wants(0) ? conv(dy, weight, undefined, { strides, dilations, pads, groups }) : undefined,
    wants(1) ? filterGradient(dy, x, window) : undefined,
    wants(2) ? sumOverPositions(dy) : undefined,
  ];
});

/** The window of a node that says its pads itself; a loaded model may leave them to the runtime. */
function explicitWindow(node: Node, kernel: readonly number[]): Window {
  const autoPad = textAttribute(node, 'auto_pad', 'NOTSET');
  if ((autoPad === 'NOTSET' || autoPad === 'VALID') && !intsAttribute(node, 'output_shape'))
    return windowOf(node, kernel);
  throw new TributaryError(
    'TRIB_NO_GRADIENT',
    `${node.op} "${node.name}": expected explicit pads, got ${autoPad === 'NOTSET' ? 'output_shape' : `auto_pad ${autoPad}`}. Export the model with explicit pads.`,
  );
}

function sumOverPositions(dy: Expression): Expression {
  return dy.reduceSum(
    dy.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])),
    false,
  );
}

/**
 * With stride 1 and one group, a Conv with the weight flipped in space and its channel axes swapped: faster on the CPU than
 * ConvTranspose, and for a frozen weight onnxruntime folds the flip into a constant. Else ConvTranspose, and so for a weight
 * on disk too: the flip would be a copy of it in memory, of gigabytes in a model that is kept on disk.
 */
function inputGradient(
  g: GraphBuilder,
  dy: Expression,
  weight: Expression,
  window: Window,
  shape: readonly number[],
): Expression {
  const { kernel, strides, dilations, pads, groups } = window;
  const rank = kernel.length;
  const reach = kernel.map((size, axis) => (dilations[axis] ?? 1) * (size - 1));
  const flippedPads = [...reach, ...reach].map((size, i) => size - (pads[i] ?? 0));
  const isPlain = groups === 1 && strides.every((stride) => stride === 1);
  if (isPlain && flippedPads.every((size) => size >= 0) && !g.isStored(weight)) {
    const spatialAxes = kernel.map((_, axis) => axis + 2);
    const flipped = kernel.every((size) => size === 1) ? weight : weight.flip(spatialAxes);
    return conv(dy, flipped.transpose([1, 0, ...spatialAxes]), undefined, {
      dilations,
      pads: flippedPads,
    });
  }
  const outputPadding = kernel.map((_, axis) => {
    const reached =
      (strides[axis] ?? 1) * ((dy.shape[axis + 2] ?? 1) - 1) +
      (reach[axis] ?? 0) +
      1 -
      (pads[axis] ?? 0) -
      (pads[axis + rank] ?? 0);
    return (shape[axis + 2] ?? 0) - reached;
  });
  return convTranspose(dy, weight, { strides, dilations, pads, groups, outputPadding });
}

/**
 * dw [O, C / groups, ...]: for every tap of the kernel, the matrix product of dy with the input positions that the tap saw,
 * over all samples and positions. The taps' input slices stand side by side, so that it is one large product a group.
 */
function filterGradient(
  x: Expression,
  dy: Expression,
  { kernel, strides, dilations, pads, groups }: Window,
): Expression {
  const rank = kernel.length;
  const spatialAxes = kernel.map((_, axis) => axis + 2);
  const [channels = 1, outputs = 1] = [x.shape[1], dy.shape[1]];
  const padded = x
    .pad([0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)])
    .transpose([1, 0, ...spatialAxes]);
  const taps = offsets(kernel).map((tap) => {
    const starts = tap.map((offset, axis) => offset * (dilations[axis] ?? 1));
    const ends = starts.map(
      (start, axis) => start + (strides[axis] ?? 1) * ((dy.shape[axis + 2] ?? 1) - 1) + 1,
    );
    const seen = padded.slice({ starts, ends, axes: spatialAxes, steps: strides });
    return seen.reshape([groups, channels / groups, -1]);
  });
  const columns = taps.length === 1 ? (taps[0] as Expression) : concat(taps, 1);
  const rows = dy.transpose([1, 0, ...spatialAxes]).reshape([groups, outputs / groups, -1]);
  const product = groups === 1 ? wideProduct(rows, columns) : rows.matMul(columns.transpose([0, 2, 1]));
  const byTap = product.reshape([outputs, taps.length, channels / groups]);
  return byTap.transpose([0, 2, 1]).reshape([outputs, channels / groups, ...kernel]);
}

function wideProduct(rows: Expression, columns: Expression): Expression {
  const matrix = (value: Expression) => value.reshape([value.shape[1] ?? 1, value.shape[2] ?? 1]);
  return matrix(rows).gemm(matrix(columns), { right: true });
}

/** All positions inside a kernel, row by row. */
function offsets(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (all, size) => all.flatMap((prefix) => Array.from({ length: size }, (_, i) => [...prefix, i])),
    [[]],
  );
}

/** Depth to space: the inverse permutation of its three axes of blocks. */
export const depthToSpaceRule = unary(({ node, dy, x0 }) => {
  const block = intAttribute(node, 'blocksize', 1);
  const [batch = 1, channels = 1, height = 1, width = 1] = x0.shape;
  const split = dy.reshape([batch, channels / block ** 2, height, block, width, block]);
  const columnMajor = textAttribute(node, 'mode', 'DCR') === 'DCR';
  return split.transpose(columnMajor ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]).reshape(x0.shape);
});

/** y = mean over all positions: dx = dy / n everywhere. */
export const globalAveragePoolRule = unary(({ dy, x0 }) => {
  const count = x0.shape.slice(2).reduce((n, size) => n * size, 1);
  return dy.mul(1 / count).expand(x0.shape);
});

/** Average pooling is a convolution of every channel with a constant kernel; its transpose gives dx. */
export const averagePoolRule = unary(
  ({ g, node, dy, x0 }: { g: GraphBuilder; node: Node; dy: Expression; x0: Expression }) => {
    const kernel = intsAttribute(node, 'kernel_shape') ?? [];
    const window = explicitWindow(node, kernel);
    if (window.pads.some((size) => size !== 0) || intAttribute(node, 'ceil_mode', 0) === 1) {
      throw new TributaryError(
        'TRIB_NO_GRADIENT',
        `AveragePool "${node.name}": expected no padding and ceil_mode 0, got pads ${formatShape(window.pads)}. Export the model without them.`,
      );
    }
    const channels = x0.shape[1] ?? 1;
    const area = kernel.reduce((n, size) => n * size, 1);
    const weight = g.constant(
      float32(new Float32Array(channels * area).fill(1 / area), [channels, 1, ...kernel]),
    );
    return inputGradient(g, dy, weight, { ...window, groups: channels }, x0.shape);
  },
);
