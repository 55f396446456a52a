/** @file Output shapes of convolution, pooling and resampling, with any number of spatial axes. */

import { at } from '../../../at.js';
import {
  type Application,
  constantIntegers,
  mismatch,
  type OutputType,
  operand,
  positiveAxis,
} from '../application.js';
import { intAttribute, intsAttribute, type Node, textAttribute, type Value } from '../graph.js';

/** The window of a convolution, with ONNX's defaults filled in. `pads` holds all begins, then all ends. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly groups: number;
}

/** Reads the window of a convolution or pooling node; `kernel` is the weight's spatial shape. */
export function windowOf(node: Pick<Node, 'attributes'>, kernel: readonly number[]): Window {
  const ones = kernel.map(() => 1);
  return {
    kernel,
    strides: intsAttribute(node, 'strides') ?? ones,
    dilations: intsAttribute(node, 'dilations') ?? ones,
    pads: intsAttribute(node, 'pads') ?? [...kernel, ...kernel].map(() => 0),
    groups: intAttribute(node, 'group', 1),
  };
}

/** How many elements a window covers along an axis, and how many are padded there. */
function extent({ kernel, dilations, pads }: Window, axis: number) {
  return {
    reach: at(dilations, axis) * (at(kernel, axis) - 1) + 1,
    padding: at(pads, axis) + at(pads, axis + kernel.length),
  };
}

/** The output [B, channels, ...] of a window that slides over the input. */
function slide({ type, shape }: Value, channels: number, window: Window): OutputType[] {
  const spatial = shape.slice(2).map((size, axis) => {
    const { reach, padding } = extent(window, axis);
    return Math.floor((size + padding - reach) / at(window.strides, axis)) + 1;
  });
  return [{ type, shape: [at(shape, 0), channels, ...spatial] }];
}

function requireExplicitPads(node: Application): void {
  if (textAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET')
    mismatch(node, 'explicit pads (auto_pad is not supported)');
}

/** Conv: x [B, C, ...], weight [O, C / groups, ...] -> [B, O, ...]. */
export function convolution(node: Application): OutputType[] {
  const [input, weight] = [operand(node, 0), operand(node, 1)];
  const window = windowOf(node, weight.shape.slice(2));
  requireExplicitPads(node);
  const channels = at(weight.shape, 1) * window.groups;
  if (input.shape.length !== weight.shape.length) mismatch(node, 'input and weight of one rank');
  if (input.shape[1] !== channels) mismatch(node, `${channels} input channels`);
  return slide(input, at(weight.shape, 0), window);
}

/** ConvTranspose: x [B, C, ...], weight [C, O / groups, ...] -> [B, O, ...]. */
export function transposedConvolution(node: Application): OutputType[] {
  const [input, weight] = [operand(node, 0), operand(node, 1)];
  const window = windowOf(node, weight.shape.slice(2));
  requireExplicitPads(node);
  if (intsAttribute(node, 'output_shape')) mismatch(node, 'explicit pads (output_shape is not supported)');
  if (input.shape.length !== weight.shape.length) mismatch(node, 'input and weight of one rank');
  if (input.shape[1] !== weight.shape[0]) mismatch(node, `${weight.shape[0]} input channels`);
  const outputPadding = intsAttribute(node, 'output_padding') ?? window.kernel.map(() => 0);
  const spatial = input.shape.slice(2).map((size, axis) => {
    const { reach, padding } = extent(window, axis);
    return at(window.strides, axis) * (size - 1) + at(outputPadding, axis) + reach - padding;
  });
  const channels = at(weight.shape, 1) * window.groups;
  return [{ type: input.type, shape: [at(input.shape, 0), channels, ...spatial] }];
}

/** AveragePool over the node's kernel_shape. */
export function pooling(node: Application): OutputType[] {
  const input = operand(node);
  requireExplicitPads(node);
  if (intAttribute(node, 'ceil_mode', 0) === 1) mismatch(node, 'ceil_mode 0');
  const window = windowOf(node, intsAttribute(node, 'kernel_shape') ?? mismatch(node, 'a kernel_shape'));
  return slide(input, at(input.shape, 1), window);
}

/** Resize by nearest neighbor, to given sizes or by given scales, along all axes or some. */
export function resize(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  if (textAttribute(node, 'mode', 'nearest') !== 'nearest') mismatch(node, 'mode nearest');
  if (textAttribute(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    mismatch(node, 'keep_aspect_ratio_policy stretch');
  const axes = (intsAttribute(node, 'axes') ?? shape.map((_, axis) => axis)).map((axis) =>
    positiveAxis(axis, shape.length),
  );
  const sizes = constantIntegers(node, 3);
  const scales = node.constants[2]?.data;
  const result = [...shape];
  axes.forEach((axis, index) => {
    if (sizes?.length) result[axis] = at(sizes, index);
    else if (scales) result[axis] = Math.floor(at(shape, axis) * Number(at<number | bigint>(scales, index)));
    else mismatch(node, 'constant scales or sizes');
  });
  return [{ type, shape: result }];
}

/** [B, C · block², H, W] -> [B, C, H · block, W · block]. */
export function depthToSpace(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  if (shape.length !== 4) mismatch(node, 'a shape [B, C, H, W]');
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const block = intAttribute(node, 'blocksize', 1);
  if (channels % block ** 2 !== 0) mismatch(node, `channels that are a multiple of ${block ** 2}`);
  return [{ type, shape: [batch, channels / block ** 2, height * block, width * block] }];
}
