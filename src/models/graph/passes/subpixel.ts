/**
 * @file Convolutions of pictures that were made twice as large, computed on the small picture (Shi et al. 2016, "Is the
 * deconvolution layer the same as a convolutional layer?"). Each tap of a 3 x 3 kernel over nearest-neighbor upsampling by 2
 * sees a copy of a pixel, so taps that see the same one are added first. A pixel of row parity r, with taps w over the rows
 * of the large picture, is
 *
 *     r = 0: w₀ x[p-1] + (w₁ + w₂) x[p]        r = 1: (w₀ + w₁) x[p] + w₂ x[p+1]
 *
 * and alike along columns: four 2 x 2 kernels, with 16 products in place of 36. Its gradient, the sums over 2 x 2 blocks of a
 * convolution w of the large picture, is a convolution of stride 2 with the kernel u_m = w_m + w_(m-1) of 4 x 4, again 16 in
 * place of 36. New kernels are constants of 16/9 the size, so kernels that stay in their file are left alone.
 */

import { at } from '../../../at.js';
import { toIntegers } from '../../tensor.js';
import type { Node, Value } from '../graph.js';
import { textAttribute } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import { conv } from '../ops/convolution.js';
import { concat, type Expression } from '../ops/expression.js';
import { windowOf } from '../shapes/convolution-shapes.js';
import type { GraphView } from './rewrite.js';

const [ROWS, COLUMNS] = [2, 3];

/** The value that replaces a convolution of an upsampled picture. */
export function smallConvolution(
  g: GraphBuilder,
  node: Node,
  { producer, current }: GraphView,
): Value | undefined {
  const weight = plainKernel(node);
  const resize = producer(node.inputs[0]);
  const [x] = resize?.inputs ?? [];
  if (!weight || !g.initializers.has(weight.name) || !resize || !x || !doublesPixels(resize, x))
    return undefined;
  const small = g.expression(current(x));
  const rows = parities(g.expression(weight), ROWS);
  const pictures = rows.map((kernel, r) => {
    const halves = parities(kernel, COLUMNS).map((phase, c) =>
      conv(small, phase, node.inputs[2], { pads: [1 - r, 1 - c, r, c] }),
    );
    return interleave(halves, COLUMNS);
  });
  return interleave(pictures, ROWS);
}

/** The kernels along an axis for even and for odd positions. */
function parities(kernel: Expression, axis: number): [even: Expression, odd: Expression] {
  const [first, middle, last] = kernel.split([1, 1, 1], axis) as [Expression, Expression, Expression];
  return [concat([first, middle.add(last)], axis), concat([first.add(middle), last], axis)];
}

/** Pictures side by side, element by element along an axis. The batch size appears in no constant. */
function interleave(pictures: readonly Expression[], axis: number): Expression {
  const shape = [0, ...at(pictures, 0).shape.slice(1)];
  const apart = pictures.map((picture) =>
    picture.reshape([...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]),
  );
  return concat(apart, axis + 1).reshape(shape.map((size, i) => (i === axis ? 2 * size : size)));
}

/** The value that replaces the sums over blocks of a convolution: Reshape, ReduceSum, Reshape, as its gradient is written. */
export function stridedConvolution(
  g: GraphBuilder,
  node: Node,
  { producer, uses, current }: GraphView,
): Value | undefined {
  if (node.op !== 'Reshape') return undefined;
  const sum = producer(node.inputs[0]);
  const blocks = sum?.op === 'ReduceSum' ? producer(sum.inputs[0]) : undefined;
  const convolution = blocks?.op === 'Reshape' ? producer(blocks.inputs[0]) : undefined;
  const weight = convolution && plainKernel(convolution);
  const [large, small] = [convolution?.outputs[0], node.outputs[0]];
  const [, axes] = sum?.inputs ?? [];
  const summed = axes && g.initializers.get(axes.name);
  if (!convolution || convolution.inputs[2] || !weight || !large || !small || !summed) return undefined;
  const [batch, channels, height, width] = small.shape;
  const isBlocks =
    toIntegers(summed).join() === '5,7' &&
    at(blocks?.outputs ?? [], 0).shape.join() === [batch, 1, channels, 1, height, 2, width, 2].join();
  const [dy] = convolution.inputs;
  if (!isBlocks || !dy || uses(large) > 1) return undefined;
  const kernel = spread(spread(g.expression(current(weight)), ROWS), COLUMNS);
  return conv(g.expression(current(dy)), kernel, undefined, { strides: [2, 2], pads: [1, 1, 1, 1] });
}

/** w_m + w_(m-1) along an axis. */
function spread(kernel: Expression, axis: number): Expression {
  const zeros = (before: number) => kernel.shape.map((_, i) => (i === axis ? before : 0));
  return kernel.pad([...zeros(0), ...zeros(1)]).add(kernel.pad([...zeros(1), ...zeros(0)]));
}

/** The kernel of a 3 x 3 convolution that keeps the size of a picture. */
function plainKernel(node: Node): Value | undefined {
  const weight = node.op === 'Conv' && node.domain === '' ? node.inputs[1] : undefined;
  if (!weight || textAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
  const { kernel, strides, dilations, pads, groups } = windowOf(node, weight.shape.slice(2));
  const window = [kernel, strides, dilations, pads].map((sizes) => sizes.join());
  return groups === 1 && window.join(' ') === '3,3 1,1 1,1 1,1,1,1' ? weight : undefined;
}

/** Whether a node repeats every pixel in blocks of 2 x 2, as exporters write it. */
function doublesPixels(node: Node, { shape }: Value): boolean {
  const [batch, channels, height = 0, width = 0, ...others] = shape;
  return (
    node.op === 'Resize' &&
    others.length === 0 &&
    at(node.outputs, 0).shape.join() === [batch, channels, 2 * height, 2 * width].join() &&
    textAttribute(node, 'mode', 'nearest') === 'nearest' &&
    textAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'asymmetric' &&
    textAttribute(node, 'nearest_mode', 'round_prefer_floor') === 'floor'
  );
}
