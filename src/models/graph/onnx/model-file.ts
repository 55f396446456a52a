/**
 * @file An ONNX model on disk, with its large weights in files beside it. It is read as float32: half precision is derived from
 * a graph in single precision, whatever the file holds (half-precision.ts).
 */

import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';
import { readWholeFile } from '../../files/read-bytes.js';
import { ELEMENT_BYTES } from '../../tensor.js';
import { type HalfType, LARGE_BYTES, type Precision, type StoredTensor } from '../graph.js';
import { commonFolder, locationIn, realPlace } from '../stored-files.js';
import { decodeModel } from './decode.js';
import { elementTypeOf, storedShape } from './element-codes.js';
import { externalPlace, placeOutside, requireInFile } from './external-data.js';
import { nameByLayer } from './node-names.js';
import {
  TensorProto_DataLocation as DataLocation,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
} from './onnx_pb.js';
import { raiseBytes, raiseModel } from './raise-float16.js';

/** Weights outside a model, by the location that the model names. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

export interface ModelFile {
  readonly bytes: Uint8Array;
  /**
   * External weights that had to be read: small ones, misaligned ones, and those in half precision where that may not stay.
   * Empty if other weights stay in their files: those that were read are then inside the model.
   */
  readonly externalData: ExternalData;
  /** External weights that stay in their files. */
  readonly stored: ReadonlyMap<string, StoredTensor>;
}

/**
 * Reads a model; float16 becomes float32. External weights stay in their files unless they have to be read. A model with all of
 * its data inside and in float32 is returned byte for byte. Large weights of a type of `halves` stay in their file, and the
 * model declares them float32 (see `StoredTensor.inFile`).
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if the model is truncated, names a file outside its folder, or a
 * tensor beyond the end of its file.
 */
export async function readModelFile(path: string, halves: readonly HalfType[] = []): Promise<ModelFile> {
  const bytes = await readWhole(path, 'a model file', (size) => new ArrayBuffer(size));
  const model = decodeModel(bytes, path);
  const files = new Map<string, Uint8Array>();
  const external = new Map<string, Uint8Array>();
  const stored = new Map<string, StoredTensor>();
  for (const tensor of model.graph.initializer) {
    if (tensor.dataLocation !== DataLocation.EXTERNAL) continue;
    const place = await placeOf(tensor, path);
    const { length: _, ...whole } = place;
    if (staysAs('float32', place)) stored.set(tensor.name, whole);
    else if (halves.includes('float16') && staysAs('float16', place))
      stored.set(tensor.name, { ...whole, type: 'float32', inFile: 'float16' });
    else external.set(tensor.name, await bytesAt(place, files));
  }
  const isNamed = nameByLayer(model.graph);
  const isRaised = raiseModel(model);
  const isMoved = await followLinks(model, stored);
  if (external.size === 0 && !isNamed && !isRaised && !isMoved)
    return { bytes, externalData: new Map(), stored };
  const externalData = new Map<string, Uint8Array>();
  for (const tensor of model.graph.initializer) {
    const data = external.get(tensor.name);
    if (!data) continue;
    if (stored.size > 0) moveInside(tensor, data);
    else externalData.set(tensor.name, relocate(tensor, data));
  }
  return { bytes: toBinary(ModelProtoSchema, model as ModelProto), externalData, stored };
}

/**
 * Where a file of weights is a link, as in the hub's cache, makes the model name the files behind the links, from one
 * folder that holds them all. Returns whether it did.
 */
async function followLinks(
  model: ReturnType<typeof decodeModel>,
  stored: Map<string, StoredTensor>,
): Promise<boolean> {
  const real = new Map<string, StoredTensor>();
  let isLinked = false;
  for (const [name, tensor] of stored) {
    const place = await realPlace(join(tensor.folder, tensor.location));
    isLinked ||= join(place.folder, place.location) !== join(await realpath(tensor.folder), tensor.location);
    real.set(name, { ...tensor, ...place });
  }
  const folder = commonFolder(real.values());
  if (!isLinked || folder === undefined) return false;
  for (const tensor of model.graph.initializer) {
    const place = real.get(tensor.name);
    if (!place) continue;
    const location = locationIn(folder, place);
    const { start, length } = externalPlace(tensor, tensor.name);
    placeOutside(tensor, { location, start, length });
    stored.set(tensor.name, { ...place, folder, location });
  }
  return true;
}

/** Moves a tensor into the model: onnxruntime takes weights from memory or from files, not from both. */
function moveInside(tensor: TensorProto, data: Uint8Array): void {
  tensor.rawData = raiseBytes(tensor, data);
  tensor.dataLocation = DataLocation.DEFAULT;
  tensor.externalData = [];
}

/** Gives a tensor a location of its own, and returns its bytes. */
function relocate(tensor: TensorProto, data: Uint8Array): Uint8Array {
  const raised = raiseBytes(tensor, data);
  placeOutside(tensor, { location: tensor.name, start: 0, length: raised.byteLength });
  return raised;
}

/** A tensor outside the model, in a file that exists and is long enough. */
interface OutsideTensor extends StoredTensor {
  readonly length: number;
}

async function placeOf(tensor: TensorProto, path: string): Promise<OutsideTensor> {
  const where = `${path} initializer "${tensor.name}"`;
  const place = externalPlace(tensor, where);
  const { location, start: offset, length } = place;
  const folder = dirname(path);
  const { size } = await stat(join(folder, location)).catch((cause) => {
    throw unreadable(join(folder, location), WEIGHTS, cause);
  });
  requireInFile(place, size, where);
  const type = elementTypeOf(tensor.dataType, where);
  return { type, shape: storedShape(tensor, where), folder, location, offset, length };
}

const WEIGHTS = 'the weights of a model';

/** Whether a runtime can use a tensor of this type in place, and no pass reads its numbers. */
const staysAs = (wanted: Precision, { type, offset, length }: OutsideTensor) =>
  type === wanted && offset % ELEMENT_BYTES[wanted] === 0 && length >= LARGE_BYTES;

async function bytesAt(place: OutsideTensor, files: Map<string, Uint8Array>): Promise<Uint8Array> {
  const { folder, location, offset, length } = place;
  const file =
    files.get(location) ??
    (await readWhole(join(folder, location), WEIGHTS, (size) => new SharedArrayBuffer(size)));
  files.set(location, file);
  return file.subarray(offset, offset + length);
}

/** Weights go to memory that threads can share; onnxruntime does not take models from such memory. */
async function readWhole(
  path: string,
  what: string,
  allocate: (size: number) => ArrayBufferLike,
): Promise<Uint8Array> {
  return readWholeFile(path, allocate).catch((cause) => {
    throw unreadable(path, what, cause);
  });
}

function unreadable(path: string, what: string, cause: unknown): TributaryError {
  return new TributaryError(
    'TRIB_FILE',
    `${path}: expected ${what}, got ${(cause as NodeJS.ErrnoException).code ?? 'an error'}. Export the pipeline again, or correct model.pipeline.`,
    { cause },
  );
}
