/** @file Shape arithmetic of convolutions and pooling (ONNX Conv, ConvTranspose, AveragePool), any number of spatial axes. */

import type { Application, OutputType } from './application.js';
import { mismatch, operand } from './application.js';
import type { Node } from './graph.js';
import { intAttribute, intsAttribute, textAttribute } from './graph.js';

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
  const window = windowOf(node, intsAttribute(node, 'kernel_shape') ?? mismatch(node, 'a kernel_shape'));
  return [
    {
      type: input.type,
      shape: [input.shape[0] ?? 1, input.shape[1] ?? 1, ...slidingSizes(input.shape.slice(2), window)],
    },
  ];
}
