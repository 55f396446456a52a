/**
 * @file A model file with changed weights, as files to write. Weights outside the model are read, changed and passed on one at a
 * time, so that a model of any size only takes the memory of its largest weight.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';
import type { FileContent } from '../../files/atomic.js';
import { readBytes, readWholeFile } from '../../files/read-bytes.js';
import { decodeFloat16 } from '../../numeric/float16.js';
import { float32Data } from '../../tensor.js';
import { LARGE_BYTES } from '../graph.js';
import { decodeModel, externalTensor } from '../onnx/decode.js';
import { type ExternalPlace, externalPlace, placeOutside, requireInFile } from '../onnx/external-data.js';
import { nameByLayer } from '../onnx/node-names.js';
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
} from '../onnx/onnx_pb.js';
import { raiseModel } from '../onnx/raise-float16.js';
import { type Apply, changeWeights } from './change-weights.js';
import type { WeightChange } from './weight-change.js';

/** Runtimes map weights from files, so each begins at a page. */
const ALIGNMENT = 4096;
/** A protobuf message is limited to 2 GiB: in a model larger than this, large weights go outside. */
const MAX_BYTES_INSIDE = 2 ** 30;

/** A weight that goes outside: where it is now, and how it changes. */
interface Piece {
  readonly tensor: TensorProto;
  readonly source: ExternalPlace | Uint8Array;
  /** Whether the source is float16. It is written as float32. */
  readonly isHalf: boolean;
  readonly apply: Apply | undefined;
}

/**
 * Returns the model with its changed weights in float32: those that were inside stay inside, the others go to one file beside
 * it, `<model>_data`. A model in float16 becomes float32 as a whole. `replaced` are the old files that these replace; all
 * paths are relative to the folder of the model.
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if it is not a model, or names data outside its folder or beyond the
 * end of a file; TRIB_LORA as `changeWeights`.
 */
export async function changedModelFiles(
  path: string,
  changes: readonly WeightChange[],
): Promise<{
  readonly files: Readonly<Record<string, FileContent>>;
  readonly replaced: ReadonlySet<string>;
}> {
  const bytes = await readWholeFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(path, cause);
  });
  const model = decodeModel(bytes, path);
  const places = new Map<TensorProto, ExternalPlace>();
  for (const tensor of model.graph.initializer) {
    if (tensor.dataLocation === DataLocation.EXTERNAL)
      places.set(tensor, externalPlace(tensor, whereIs(path, tensor)));
  }
  nameByLayer(model.graph);
  raiseModel(model);
  const outside = changeWeights(model, changes, path);
  const name = basename(path);
  const dataName = `${name}_data`;
  const pieces = toPieces(model, path, outside);
  locate(pieces, dataName);
  const replaced = new Set([name, ...[...places.values()].map(({ location }) => location)]);
  return {
    files: {
      [name]: toBinary(ModelProtoSchema, model as ModelProto),
      ...(pieces.length > 0 && { [dataName]: { pieces: contentOf(pieces, path) } }),
    },
    replaced,
  };
}

const whereIs = (path: string, { name }: TensorProto) => `${path} initializer "${name}"`;

function toPieces(
  { graph }: { readonly graph: GraphProto },
  path: string,
  outside: ReadonlyMap<string, Apply>,
): Piece[] {
  const inside = graph.initializer.reduce((sum, { rawData }) => sum + rawData.length, 0);
  const isTooLarge = inside > MAX_BYTES_INSIDE;
  return graph.initializer.flatMap((tensor): Piece[] => {
    const { rawData } = tensor;
    if (tensor.dataLocation === DataLocation.EXTERNAL) {
      const source = externalPlace(tensor, whereIs(path, tensor));
      const isHalf = tensor.dataType === DataType.FLOAT16;
      return [{ tensor, source, isHalf, apply: outside.get(tensor.name) }];
    }
    if (!isTooLarge || rawData.length < LARGE_BYTES) return [];
    tensor.rawData = new Uint8Array();
    return [{ tensor, source: rawData, isHalf: false, apply: undefined }];
  });
}

const lengthOf = ({ source: { length }, isHalf }: Piece) => (isHalf ? 2 * length : length);
const align = (length: number) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

/** Declares where the tensors' bytes will be, and their type. */
function locate(pieces: readonly Piece[], location: string): void {
  let start = 0;
  for (const piece of pieces) {
    const length = lengthOf(piece);
    if (piece.isHalf) piece.tensor.dataType = DataType.FLOAT;
    placeOutside(piece.tensor, { location, start, length });
    start += align(length);
  }
}

async function* contentOf(pieces: readonly Piece[], path: string): AsyncGenerator<Uint8Array> {
  const files = new Map<string, FileHandle>();
  try {
    for (const piece of pieces) {
      const { tensor, source, isHalf, apply } = piece;
      const where = whereIs(path, tensor);
      const stored = source instanceof Uint8Array ? source : await readPlace(source, path, files, where);
      const bytes = isHalf ? singlePrecision(stored) : stored;
      if (apply) apply(float32Data(externalTensor(tensor, bytes, where), where));
      yield bytes;
      yield new Uint8Array(align(bytes.length) - bytes.length);
    }
  } finally {
    for (const file of files.values()) await file.close();
  }
}

function singlePrecision(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(decodeFloat16(new Uint16Array(bytes.buffer, 0, bytes.length / 2)).buffer);
}

/** Reads into memory of its own. */
async function readPlace(
  place: ExternalPlace,
  path: string,
  files: Map<string, FileHandle>,
  where: string,
): Promise<Uint8Array> {
  const { location, start, length } = place;
  const dataPath = join(dirname(path), location);
  const bytes = new Uint8Array(length);
  try {
    const file = files.get(location) ?? (await open(dataPath));
    files.set(location, file);
    requireInFile(place, (await file.stat()).size, where);
    await readBytes(file, bytes, start);
    return bytes;
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : unreadable(dataPath, cause as Error);
  }
}

function unreadable(path: string, cause: NodeJS.ErrnoException): TributaryError {
  const got = cause.code ?? cause.message;
  const text = `${path}: expected the file of a model, got ${got}. Export the pipeline again, or name another one.`;
  return new TributaryError('TRIB_FILE', text, { cause });
}
