/** @file Converts constants to half precision. */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { readPart } from '../../files/read-bytes.js';
import { roundToFloat16, writeFloat16 } from '../../numeric/float16.js';
import { ELEMENT_BYTES, elementCount, type Tensor } from '../../tensor.js';
import type { StoredTensor } from '../graph.js';

/** Returns a float32 constant in half precision. */
export type HalfConstants = (name: string, constant: Tensor | StoredTensor) => Tensor | StoredTensor;

/** Bits of infinity, which numbers beyond ±65504 become. */
const [INFINITY, SIGN_BIT] = [0x7c00, 0x8000];

/**
 * Returns a converter. Constants that a file holds in half precision stay there. Those that it holds in single precision are
 * read and rounded once for all graphs that share the converter, into memory that threads share.
 *
 * Errors: TRIB_MODEL, naming the model as `label`, if a number is beyond 65504.
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

/** A loop, not a callback: there are hundreds of millions of weights. */
function firstOverflow(values: Float32Array, bits: Uint16Array): number {
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & ~SIGN_BIT) === INFINITY && Number.isFinite(values[i])) return i;
  }
  return -1;
}

/**
 * Whether an elementwise operator may have a constant in half precision. A single number must keep 11 bits; a guard of a
 * quotient such as 1e-12 does not. Of several numbers, some may become zero, but none infinite.
 */
export function fitsHalf({ type, data }: Tensor): boolean {
  if (type !== 'float32') return true;
  const values = data as Float32Array;
  if (values.length !== 1)
    return values.every((value) => Math.abs(value) <= 65504 || !Number.isFinite(value));
  const value = at(values, 0);
  if (value === 0 || !Number.isFinite(value)) return true;
  return Math.abs(roundToFloat16(value) / value - 1) <= 2 ** -11;
}
