/** @file Gradients of convolution, pooling and depth to space. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { Node } from '../graph/graph.js';
import { formatShape, intAttribute, intsAttribute, textAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import { conv, convTranspose } from '../graph/ops/convolution.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import type { Window } from '../graph/shapes/convolution-shapes.js';
import { windowOf } from '../graph/shapes/convolution-shapes.js';
import { elementCount, filled } from '../tensor.js';
import { rule, unary } from './rule.js';

type Layer = readonly [x: Expression, weight: Expression, bias?: Expression];

export const convRule = rule<Layer>(({ g, node, inputs: [x, weight], dy }) => {
  const window = explicitWindow(node, weight.shape.slice(2));
  return [
    () => inputGradient(g, dy, weight, { window, shape: x.shape }),
    () => filterGradient(x, dy, window),
    () => sumOverPositions(dy),
  ];
});

export const convTransposeRule = rule<Layer>(({ node, inputs: [x, weight], dy }) => {
  const window = explicitWindow(node, weight.shape.slice(2));
  const { strides, dilations, pads, groups } = window;
  return [
    () => conv(dy, weight, undefined, { strides, dilations, pads, groups }),
    () => filterGradient(dy, x, window),
    () => sumOverPositions(dy),
  ];
});

/** The window of a node that states its pads; a loaded model may leave them to the runtime. */
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
  const axes = [...dy.shape.keys()].filter((axis) => axis !== 1);
  return dy.reduceSum(axes, false);
}

const swapChannels = (x: Expression) => x.transpose([1, 0, ...[...x.shape.keys()].slice(2)]);

/**
 * With stride 1 and one group, a Conv with the weight flipped in space and its channel axes swapped: faster on the CPU than
 * ConvTranspose, and for a frozen weight onnxruntime folds the flip into a constant. Else ConvTranspose, as for most weights on
 * disk (`isFlipWorthIt`).
 */
function inputGradient(
  g: GraphBuilder,
  dy: Expression,
  weight: Expression,
  { window, shape }: { readonly window: Window; readonly shape: readonly number[] },
): Expression {
  const { kernel, strides, dilations, pads, groups } = window;
  const reach = kernel.map((size, axis) => at(dilations, axis) * (size - 1));
  const flippedPads = [...reach, ...reach].map((size, i) => size - at(pads, i));
  const isPlain = groups === 1 && strides.every((stride) => stride === 1);
  if (isPlain && flippedPads.every((size) => size >= 0) && isFlipWorthIt(g, dy, weight)) {
    const isPoint = kernel.every((size) => size === 1);
    const flipped = isPoint ? weight : weight.flip(kernel.map((_, axis) => axis + 2));
    return conv(dy, swapChannels(flipped), undefined, { dilations, pads: flippedPads });
  }
  const outputPadding = kernel.map((_, axis) => {
    const padding = at(pads, axis) + at(pads, axis + kernel.length);
    const reached = at(strides, axis) * (at(dy.shape, axis + 2) - 1) + at(reach, axis) + 1 - padding;
    return at(shape, axis + 2) - reached;
  });
  return convTranspose(dy, weight, { strides, dilations, pads, groups, outputPadding });
}

/**
 * Whether a weight [O, C, ...] may be flipped. Of one on disk the flip is a copy in memory, gigabytes of it in a large model.
 * It is worth it where it is no larger than what ConvTranspose computes on the way, C columns of a kernel for every position:
 * there ConvTranspose loses most, as one thread adds up these columns. So a UNet copies the few small weights of its largest
 * maps. A weight that is raised from half precision as it is read would be flipped in every run.
 */
function isFlipWorthIt(g: GraphBuilder, dy: Expression, weight: Expression): boolean {
  const place = g.placeOf(weight);
  if (!place) return true;
  const isPoint = elementCount(weight.shape.slice(2)) === 1;
  return !isPoint && !place.inFile && at(weight.shape, 0) <= elementCount(dy.shape.slice(2));
}

/**
 * dw [O, C / groups, ...]: for every tap of the kernel, the matrix product of dy with the input positions that the tap saw,
 * over all samples and positions. The taps' input slices stand side by side, so that there is one large product per group.
 */
function filterGradient(x: Expression, dy: Expression, window: Window): Expression {
  const { kernel, strides, dilations, pads, groups } = window;
  const rank = kernel.length;
  const [inputs, outputs] = [at(x.shape, 1) / groups, at(dy.shape, 1)];
  const padded = swapChannels(x.pad([0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)]));
  const taps = offsets(kernel).map((tap) => {
    const starts = tap.map((offset, axis) => offset * at(dilations, axis));
    const ends = starts.map((start, axis) => start + at(strides, axis) * (at(dy.shape, axis + 2) - 1) + 1);
    const axes = kernel.map((_, axis) => axis + 2);
    return padded.slice({ starts, ends, axes, steps: strides }).reshape([groups, inputs, -1]);
  });
  const columns = taps.length === 1 ? at(taps, 0) : concat(taps, 1);
  const rows = swapChannels(dy).reshape([groups, outputs / groups, -1]);
  const product = groups === 1 ? wideProduct(rows, columns) : rows.matMul(columns.transpose([0, 2, 1]));
  const byTap = product.reshape([outputs, taps.length, inputs]);
  return byTap.transpose([0, 2, 1]).reshape([outputs, inputs, ...kernel]);
}

/** rows columnsᵀ of the only group. */
function wideProduct(rows: Expression, columns: Expression): Expression {
  const matrix = (group: Expression) => group.reshape(group.shape.slice(1));
  return matrix(rows).gemm(matrix(columns), { right: true });
}

/** All positions inside a kernel, row by row. */
function offsets(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (all, size) => all.flatMap((prefix) => Array.from({ length: size }, (_, i) => [...prefix, i])),
    [[]],
  );
}

/** The inverse permutation of the three axes of blocks. */
export const depthToSpaceRule = unary(({ node, dy, x }) => {
  const block = intAttribute(node, 'blocksize', 1);
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const split = dy.reshape([batch, channels / block ** 2, height, block, width, block]);
  const isDepthFirst = textAttribute(node, 'mode', 'DCR') === 'DCR';
  return split.transpose(isDepthFirst ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]).reshape(x.shape);
});

export const globalAveragePoolRule = unary(({ dy, x }) =>
  dy.mul(1 / elementCount(x.shape.slice(2))).expand(x.shape),
);

/** A convolution of every channel with a constant kernel. */
export const averagePoolRule = unary(({ g, node, dy, x }) => {
  const kernel = intsAttribute(node, 'kernel_shape') ?? [];
  const window = explicitWindow(node, kernel);
  if (window.pads.some((size) => size !== 0) || intAttribute(node, 'ceil_mode', 0) === 1) {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `AveragePool "${node.name}": expected no padding and ceil_mode 0, got pads ${formatShape(window.pads)}. Export the model without them.`,
    );
  }
  const groups = at(x.shape, 1);
  const weight = g.constant(filled(1 / elementCount(kernel), [groups, 1, ...kernel]));
  return inputGradient(g, dy, weight, { window: { ...window, groups }, shape: x.shape });
});
