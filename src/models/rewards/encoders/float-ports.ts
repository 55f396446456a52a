/** @file Numbers through the ports of graphs that others exported, in whatever precision they have. */

import { TributaryError } from '../../../errors.js';
import type { Port, Tensors } from '../../engines/contract/engine.js';
import { decodeFloat16, encodeFloat16 } from '../../numeric/float16.js';
import { float32, float32Data, type Tensor } from '../../tensor.js';

/** Numbers in the element type that the port takes: float32, or float16 with each rounded to the nearest. */
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

/** An output as float32, from whichever precision the graph has. */
export function floatOutput(outputs: Tensors, name: string): Float32Array {
  const tensor = outputs[name];
  return tensor?.type === 'float16' ? decodeFloat16(tensor.data as Uint16Array) : float32Data(tensor, name);
}

/**
 * An output of scores as numbers, whichever numbers the graph gives: floats of any precision, or integers such as a count.
 * @throws TRIB_MODEL where it holds none, such as strings.
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
