/** @file The place of a tensor whose bytes a model keeps in another file. */
import { isAbsolute, normalize } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';
import { ELEMENT_BYTES, elementCount } from '../../tensor.js';
import { elementTypeOf, storedShape } from './element-codes.js';
import { StringStringEntryProtoSchema, type TensorProto, TensorProto_DataLocation } from './onnx_pb.js';

export interface ExternalPlace {
  /** The file, relative to the model's folder and inside it. */
  readonly location: string;
  readonly start: number;
  readonly length: number;
}

/** Returns the place that a tensor names. Errors: TRIB_MODEL if the file is not in the model's folder. */
export function externalPlace(tensor: TensorProto, where: string): ExternalPlace {
  const { location = '', offset = '0' } = Object.fromEntries(
    tensor.externalData.map(({ key, value }) => [key, value]),
  );
  if (location === '' || isAbsolute(location) || normalize(location).startsWith('..')) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected external data in a file beside the model, got "${location}". Export the model again.`,
    );
  }
  const length =
    elementCount(storedShape(tensor, where)) * ELEMENT_BYTES[elementTypeOf(tensor.dataType, where)];
  return { location, start: Number(offset), length };
}

/** Declares that a tensor's bytes are outside the model. */
export function placeOutside(tensor: TensorProto, { location, start, length }: ExternalPlace): void {
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.externalData = Object.entries({ location, offset: start, length }).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value: `${value}` }),
  );
}

/** Checks that a file of `fileBytes` holds the place. Errors: TRIB_MODEL if it does not. */
export function requireInFile(
  { location, start, length }: ExternalPlace,
  fileBytes: number,
  where: string,
): void {
  if (Number.isSafeInteger(start) && start >= 0 && start + length <= fileBytes) return;
  throw new TributaryError(
    'TRIB_MODEL',
    `${where}: expected ${length} bytes from byte ${start} of ${location}, got a file of ${fileBytes}. Copy the file again.`,
  );
}
