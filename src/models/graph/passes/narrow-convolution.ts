/**
 * @file Convolutions with few output channels, as the last one of a denoiser or decoder, written as ConvTranspose. With stride
 * 1 the two are the same function: y = x ⋆ w is the transpose of a convolution with w flipped in space and its channel axes
 * swapped. The CPU's kernel of Conv computes 16 output channels at a time, with 13 of them for nothing where a picture has 3;
 * that of ConvTranspose is a product for all taps at once, followed by sums of shifted pictures. Kernels that stay in
 * their file are left alone, because the flipped one would be a copy.
 */

import { at } from '../../../at.js';
import type { Node, Value } from '../graph.js';
import { textAttribute } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import { convTranspose } from '../ops/convolution.js';
import { windowOf } from '../shapes/convolution-shapes.js';

/** Fewest channels that the kernel of Conv makes good use of. */
const FEW_CHANNELS = 4;

/** The value that replaces such a convolution. */
export function narrowConvolution(g: GraphBuilder, node: Node): Value | undefined {
  const [x, weight, bias] = node.inputs;
  if (node.op !== 'Conv' || node.domain !== '' || !x || !weight || !g.initializers.has(weight.name))
    return undefined;
  const [outputs, , ...kernel] = weight.shape as [number, number, ...number[]];
  const window = windowOf(node, kernel);
  const { strides, dilations, groups } = window;
  const pads = window.pads.map((size, i) => at(kernel, i % kernel.length) - 1 - size);
  const isPlain = groups === 1 && [...strides, ...dilations].every((size) => size === 1);
  const isPoint = kernel.every((size) => size === 1);
  const hasPads = textAttribute(node, 'auto_pad', 'NOTSET') === 'NOTSET' && pads.every((size) => size >= 0);
  if (outputs > FEW_CHANNELS || !isPlain || isPoint || !hasPads) return undefined;
  const axes = kernel.map((_, axis) => axis + 2);
  const flipped = g
    .expression(weight)
    .flip(axes)
    .transpose([1, 0, ...axes]);
  return convTranspose(g.expression(x), flipped, { pads, bias });
}
