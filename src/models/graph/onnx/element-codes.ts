/** @file Element types as ONNX numbers them (TensorProto.DataType), and the shapes of stored tensors. */

import { TributaryError } from '../../../errors.js';
import { ELEMENT_BYTES, type ElementType, elementCount } from '../../tensor.js';
import type { HalfType } from '../graph.js';
import { TensorProto_DataType as DataType, type TensorProto } from './onnx_pb.js';

const CODES: Readonly<Record<ElementType, DataType>> = {
  float32: DataType.FLOAT,
  uint8: DataType.UINT8,
  int32: DataType.INT32,
  int64: DataType.INT64,
  bool: DataType.BOOL,
  float16: DataType.FLOAT16,
  float64: DataType.DOUBLE,
};

/** An element type of a tensor in a file. */
export type StoredType = ElementType | HalfType;

/** Bytes of one element in a file. */
export const STORED_BYTES: Readonly<Record<StoredType, number>> = { ...ELEMENT_BYTES, bfloat16: 2 };

const TYPES = new Map(Object.entries(CODES).map(([type, code]) => [code, type as ElementType]));

export function elementCode(type: StoredType): number {
  return type === 'bfloat16' ? DataType.BFLOAT16 : CODES[type];
}

/** The element type that has ONNX's number. */
export function elementTypeOf(code: number, where: string): ElementType {
  const type = TYPES.get(code);
  if (type) return type;
  throw new TributaryError(
    'TRIB_MODEL',
    `${where}: expected an element type of ${Object.keys(CODES).join(', ')}, got ONNX type ${DataType[code] ?? code}. Export the model in float32.`,
  );
}

/**
 * Returns the shape of a stored tensor. Two negative sizes would multiply to a number of elements that looks right.
 *
 * Errors: TRIB_MODEL if a size is negative, or there are too many elements to count.
 */
export function storedShape({ dims }: Pick<TensorProto, 'dims'>, where: string): number[] {
  const shape = dims.map(Number);
  if (shape.every((size) => size >= 0) && Number.isSafeInteger(elementCount(shape))) return shape;
  throw new TributaryError(
    'TRIB_MODEL',
    `${where}: expected sizes of at least 0, got [${dims.slice(0, 8).join(', ')}]. Export the model again.`,
  );
}
