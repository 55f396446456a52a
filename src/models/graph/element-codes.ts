/** @file Element types as ONNX numbers them (TensorProto.DataType). */

import { TributaryError } from '../../errors.js';
import type { ElementType } from '../tensor.js';
import { TensorProto_DataType as DataType } from './proto/onnx_pb.js';

const CODES: Readonly<Record<ElementType, DataType>> = {
  float32: DataType.FLOAT,
  uint8: DataType.UINT8,
  int32: DataType.INT32,
  int64: DataType.INT64,
  bool: DataType.BOOL,
  float16: DataType.FLOAT16,
  float64: DataType.DOUBLE,
};

const TYPES = new Map(Object.entries(CODES).map(([type, code]) => [code, type as ElementType]));

/** ONNX's number of an element type. */
export function elementCode(type: ElementType): number {
  return CODES[type];
}

/** The element type behind ONNX's number. */
export function elementTypeOf(code: number, where: string): ElementType {
  const type = TYPES.get(code);
  if (type) return type;
  throw new TributaryError(
    'TRIB_MODEL',
    `${where}: expected an element type of ${Object.keys(CODES).join(', ')}, got ONNX type ${DataType[code] ?? code}. Export the model in float32.`,
  );
}
