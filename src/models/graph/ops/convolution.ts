/** @file Convolution and resampling. */

import { at } from '../../../at.js';
import { float32 } from '../../tensor.js';
import { int, ints, text, type Value } from '../graph.js';
import type { EmitOptions, Expression } from './expression.js';

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
  x: Expression,
  weight: Value,
  bias: Value | undefined,
  options: ConvolutionOptions = {},
): Expression {
  const inputs = bias ? [x, weight, bias] : [x, weight];
  return at(x.graph.emit('Conv', inputs, windowAttributes(x.shape.length - 2, options), options), 0);
}

interface TransposeOptions extends ConvolutionOptions {
  readonly outputPadding?: readonly number[];
  /** [O] */
  readonly bias?: Value | undefined;
}

/** The transpose of `conv`: x [B, C, ...] with weight [C, O / groups, ...]. */
export function convTranspose(x: Expression, weight: Value, options: TransposeOptions = {}): Expression {
  const attributes = {
    ...windowAttributes(x.shape.length - 2, options),
    output_padding: ints(options.outputPadding ?? x.shape.slice(2).map(() => 0)),
  };
  const inputs = options.bias ? [x, weight, options.bias] : [x, weight];
  return at(x.graph.emit('ConvTranspose', inputs, attributes, options), 0);
}

/** Nearest-neighbor upsampling of [B, C, H, W] by a whole factor. */
export function upsampleNearest(x: Expression, factor: number): Expression {
  const scales = x.graph.constant(float32([1, 1, factor, factor], [4]));
  const attributes = {
    mode: text('nearest'),
    coordinate_transformation_mode: text('asymmetric'),
    nearest_mode: text('floor'),
  };
  return at(x.graph.emit('Resize', [x, undefined, scales], attributes), 0);
}
