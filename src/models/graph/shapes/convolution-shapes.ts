/** @file Shape arithmetic of convolution, pooling and resampling, any number of spatial axes. */

import type { Application, OutputType } from '../application.js';
import { constantIntegers, mismatch, operand, positiveAxis } from '../application.js';
import type { Node } from '../graph.js';
import { intAttribute, intsAttribute, textAttribute } from '../graph.js';

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

function slidingSizes(spatial: readonly number[], window: Window): number[] {
  const rank = spatial.length;
  return spatial.map((size, axis) => {
    const reach = (window.dilations[axis] ?? 1) * ((window.kernel[axis] ?? 1) - 1) + 1;
    const padded = size + (window.pads[axis] ?? 0) + (window.pads[axis + rank] ?? 0);
    return Math.floor((padded - reach) / (window.strides[axis] ?? 1)) + 1;
  });
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
  if (input.shape[1] !== (weight.shape[1] ?? 0) * window.groups)
    mismatch(node, `${(weight.shape[1] ?? 0) * window.groups} input channels`);
  return [
    {
      type: input.type,
      shape: [input.shape[0] ?? 1, weight.shape[0] ?? 1, ...slidingSizes(input.shape.slice(2), window)],
    },
  ];
}

/** ConvTranspose: x [B, C, ...], weight [C, O / groups, ...] -> [B, O, ...]. */
export function transposedConvolution(node: Application): OutputType[] {
  const [input, weight] = [operand(node, 0), operand(node, 1)];
  const window = windowOf(node, weight.shape.slice(2));
  requireExplicitPads(node);
  if (intsAttribute(node, 'output_shape')) mismatch(node, 'explicit pads (output_shape is not supported)');
  if (input.shape[1] !== weight.shape[0]) mismatch(node, `${weight.shape[0]} input channels`);
  const rank = window.kernel.length;
  const outputPadding = intsAttribute(node, 'output_padding') ?? window.kernel.map(() => 0);
  const spatial = input.shape.slice(2).map((size, axis) => {
    const reach = (window.dilations[axis] ?? 1) * ((window.kernel[axis] ?? 1) - 1) + 1;
    const pads = (window.pads[axis] ?? 0) + (window.pads[axis + rank] ?? 0);
    return (window.strides[axis] ?? 1) * (size - 1) + (outputPadding[axis] ?? 0) + reach - pads;
  });
  return [
    { type: input.type, shape: [input.shape[0] ?? 1, (weight.shape[1] ?? 1) * window.groups, ...spatial] },
  ];
}

/** AveragePool over the node's kernel_shape. */
export function pooling(node: Application): OutputType[] {
  const input = operand(node);
  requireExplicitPads(node);
  if (intAttribute(node, 'ceil_mode', 0) === 1) mismatch(node, 'ceil_mode 0');
  const window = windowOf(node, intsAttribute(node, 'kernel_shape') ?? mismatch(node, 'a kernel_shape'));
  return [
    {
      type: input.type,
      shape: [input.shape[0] ?? 1, input.shape[1] ?? 1, ...slidingSizes(input.shape.slice(2), window)],
    },
  ];
}

/** Resize by nearest neighbor, to given sizes or by given scales, on all axes or on some. */
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
    const scaled = scales ? Math.floor((shape[axis] ?? 0) * Number(scales[index] ?? 1)) : undefined;
    result[axis] = sizes?.[index] ?? scaled ?? mismatch(node, 'constant scales or sizes');
  });
  return [{ type, shape: result }];
}

/** [B, C · block², H, W] -> [B, C, H · block, W · block]. */
export function depthToSpace(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const block = intAttribute(node, 'blocksize', 1);
  if (channels % block ** 2 !== 0) mismatch(node, `channels that are a multiple of ${block ** 2}`);
  return [{ type, shape: [batch, channels / block ** 2, height * block, width * block] }];
}
