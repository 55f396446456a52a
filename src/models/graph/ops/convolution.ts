/** @file Convolution and resampling. */

import { float32 } from '../../tensor.js';
import type { Value } from '../graph.js';
import { int, ints, text } from '../graph.js';
import type { EmitOptions, GraphBuilder } from './builder.js';

export interface ConvolutionOptions extends EmitOptions {
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  /** All begins, then all ends. */
  readonly pads?: readonly number[];
  readonly groups?: number;
}

function windowAttributes(spatialRank: number, options: ConvolutionOptions) {
  const ones = Array.from({ length: spatialRank }, () => 1);
  return {
    strides: ints(options.strides ?? ones),
    dilations: ints(options.dilations ?? ones),
    pads: ints(options.pads ?? [...ones, ...ones].map(() => 0)),
    group: int(options.groups ?? 1),
  };
}

/** x [B, C, ...] with weight [O, C / groups, ...] and an optional bias [O]. */
export function conv(
  g: GraphBuilder,
  x: Value,
  weight: Value,
  bias: Value | undefined,
  options: ConvolutionOptions = {},
): Value {
  const [output] = g.emit(
    'Conv',
    bias ? [x, weight, bias] : [x, weight],
    windowAttributes(x.shape.length - 2, options),
    options,
  ) as [Value];
  return output;
}

/** The transpose of `conv`: x [B, C, ...] with weight [C, O / groups, ...]. */
export function convTranspose(
  g: GraphBuilder,
  x: Value,
  weight: Value,
  options: ConvolutionOptions & { readonly outputPadding?: readonly number[] } = {},
): Value {
  const attributes = windowAttributes(x.shape.length - 2, options);
  const outputPadding = options.outputPadding ?? x.shape.slice(2).map(() => 0);
  const [output] = g.emit(
    'ConvTranspose',
    [x, weight],
    { ...attributes, output_padding: ints(outputPadding) },
    options,
  ) as [Value];
  return output;
}

/** Nearest-neighbor upsampling of [B, C, H, W] by a whole factor. */
export function upsampleNearest(g: GraphBuilder, x: Value, factor: number): Value {
  const scales = g.constant(float32([1, 1, factor, factor], [4]));
  const [output] = g.emit('Resize', [x, undefined, scales], {
    mode: text('nearest'),
    coordinate_transformation_mode: text('asymmetric'),
    nearest_mode: text('floor'),
  }) as [Value];
  return output;
}
