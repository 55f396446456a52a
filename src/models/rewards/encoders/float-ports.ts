/** @file Numbers in and out of graphs that others exported, in any precision. */

import { TributaryError } from '../../../errors.js';
import type { Port, Tensors } from '../../engines/contract/engine.js';
import { decodeFloat16, encodeFloat16 } from '../../numeric/float16.js';
import { float32, float32Data, type Tensor } from '../../tensor.js';
import { unitRows } from '../contract/features.js';

/** Returns numbers in the element type that the port takes: float32, or float16 rounded to nearest. */
export function floatInput(
  values: Float32Array,
  shape: readonly number[],
  { type, name }: Port,
  label: string,
): Tensor {
  if (type === 'float32') return float32(values, shape);
  if (type === 'float16') return { type, shape, data: encodeFloat16(values) };
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} input "${name}": expected float32 or float16, got ${type}. Export it without quantized inputs.`,
  );
}

/** Returns an output as float32, whatever the precision of the graph. */
export function floatOutput(outputs: Tensors, name: string): Float32Array {
  const tensor = outputs[name];
  return tensor?.type === 'float16' ? decodeFloat16(tensor.data as Uint16Array) : float32Data(tensor, name);
}

/**
 * Returns an output of scores as numbers: floats of any precision, or integers such as a count.
 *
 * Errors: TRIB_MODEL if it holds no numbers, such as strings.
 */
export function numberOutput(outputs: Tensors, name: string, label: string): readonly number[] {
  const tensor = outputs[name];
  if (tensor?.type === 'float16') return Array.from(decodeFloat16(tensor.data as Uint16Array));
  if (tensor && ArrayBuffer.isView(tensor.data))
    return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} output "${name}": expected numbers, got ${tensor?.type ?? 'nothing'}. Name the output that is the score.`,
  );
}

/**
 * Returns an output [rows, D] as vectors of length 1.
 *
 * Errors: TRIB_MODEL if it has another shape.
 */
export function featureRows(outputs: Tensors, name: string, rows: number, label: string): Float32Array[] {
  const values = floatOutput(outputs, name);
  const shape = outputs[name]?.shape ?? [];
  if (shape.length === 2 && shape[0] === rows) return unitRows(values, rows);
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} output "${name}": expected [${rows}, D], one vector per row, got [${shape.join(', ')}]. Export it as docs/rewards.md says.`,
  );
}
