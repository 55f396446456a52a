/** @file Constants in half precision. */

import { TributaryError } from '../../../errors.js';
import { readPart } from '../../files/read-bytes.js';
import { roundToFloat16, writeFloat16 } from '../../numeric/float16.js';
import { ELEMENT_BYTES, elementCount, type Tensor } from '../../tensor.js';
import type { StoredTensor } from '../graph.js';

/** Gives a float32 constant in half precision. */
export type HalfConstants = (name: string, constant: Tensor | StoredTensor) => Tensor | StoredTensor;

/** What half precision makes of numbers beyond ±65504. */
const [INFINITY, SIGN_BIT] = [0x7c00, 0x8000];

/**
 * Numbers that a file holds in half precision stay there; others are rounded. What lies in a file in single precision is read
 * and rounded once for all graphs that share these constants, into memory that threads share.
 * @param label of the model, for messages.
 */
export function halfConstants(label: string): HalfConstants {
  const rounded = new Map<string, Tensor<'float16'>>();
  return (name, constant) => {
    if ('data' in constant) return halfTensor(constant, name, label);
    const { inFile, shape, folder, location, offset } = constant;
    if (inFile === 'float16') return { type: 'float16', shape, folder, location, offset };
    const place = `${folder}/${location}@${offset}`;
    const known = rounded.get(place);
    if (known) return { ...known, shape };
    const bytes = readPart(folder, location, offset, elementCount(shape) * ELEMENT_BYTES.float32);
    const data = new Float32Array(bytes.buffer, bytes.byteOffset, elementCount(shape));
    const tensor = halfTensor({ type: 'float32', shape, data }, name, label);
    rounded.set(place, tensor);
    return tensor;
  };
}

function halfTensor({ data, shape }: Tensor, name: string, label: string): Tensor<'float16'> {
  const values = data as Float32Array;
  const bits = new Uint16Array(new SharedArrayBuffer(values.length * ELEMENT_BYTES.float16));
  writeFloat16(values, bits);
  const beyond = firstOverflow(values, bits);
  if (beyond === -1) return { type: 'float16', shape, data: bits };
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} weight "${name}": expected numbers that half precision can hold, at most 65504, got ${values[beyond]}. Set model.precision: float32.`,
  );
}

/** A loop, not a callback: weights come by the hundred million. */
function firstOverflow(values: Float32Array, bits: Uint16Array): number {
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & ~SIGN_BIT) === INFINITY && Number.isFinite(values[i])) return i;
  }
  return -1;
}

/**
 * Whether an element-wise operator means the same with a constant in half precision. One number must keep 11 bits, which what
 * guards a quotient (1e-12) does not; many may fall to zero, but not become infinite.
 */
export function fitsHalf({ type, data }: Tensor): boolean {
  if (type !== 'float32') return true;
  const values = data as Float32Array;
  if (values.length > 1) return values.every((value) => Math.abs(value) <= 65504 || !Number.isFinite(value));
  const [value = 0] = values;
  if (value === 0 || !Number.isFinite(value)) return true;
  return Math.abs(roundToFloat16(value) / value - 1) <= 2 ** -11;
}
