/**
 * @file A tensor as a plain value: element type, shape, dense row-major data. It can cross a thread (its buffer is
 * transferable) and needs no disposal.
 */

import { TributaryError } from '../errors.js';

/** The array that holds each element type. float16 is held as bits; bool as one byte per element. */
export interface ElementArrays {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export type ElementType = keyof ElementArrays;

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int64: 8,
  int32: 4,
  uint8: 1,
  bool: 1,
};

export interface Tensor<T extends ElementType = ElementType> {
  readonly type: T;
  readonly shape: readonly number[];
  readonly data: ElementArrays[T];
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

/**
 * Returns a float32 tensor over `data`, which is not copied.
 *
 * Errors: TRIB_GRAPH if the length of the data does not fit the shape.
 */
export function float32(data: Float32Array | readonly number[], shape: readonly number[]): Tensor<'float32'> {
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  requireLength(values.length, shape);
  return { type: 'float32', shape, data: values };
}

/** Returns a float32 tensor of one number. */
export const filled = (value: number, shape: readonly number[]): Tensor<'float32'> => ({
  type: 'float32',
  shape,
  data: new Float32Array(elementCount(shape)).fill(value),
});

/** Returns an int64 tensor of integers. */
export function int64(data: readonly number[], shape: readonly number[] = [data.length]): Tensor<'int64'> {
  requireLength(data.length, shape);
  return { type: 'int64', shape, data: BigInt64Array.from(data, BigInt) };
}

/** Returns an int32 tensor over `data`, which is not copied. */
export function int32(data: Int32Array, shape: readonly number[]): Tensor<'int32'> {
  requireLength(data.length, shape);
  return { type: 'int32', shape, data };
}

/** Returns the numbers of an integer tensor (shapes, axes, pads: small counts). */
export function toIntegers(tensor: Tensor): number[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/**
 * Returns the data of a float32 tensor.
 *
 * Errors: TRIB_ENGINE, naming the tensor, if it is missing or has another type.
 */
export function float32Data(tensor: Tensor | undefined, name: string): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new TributaryError(
    'TRIB_ENGINE',
    `tensor "${name}": expected float32, got ${tensor === undefined ? 'nothing' : tensor.type}. Check the names and types of the graph's outputs.`,
  );
}

function requireLength(length: number, shape: readonly number[]): void {
  if (length === elementCount(shape)) return;
  throw new TributaryError(
    'TRIB_GRAPH',
    `tensor data: expected ${elementCount(shape)} elements for shape [${shape.join(', ')}], got ${length}. Check the shape.`,
  );
}
