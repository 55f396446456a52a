/**
 * @file An ONNX model on disk: the graph, the files with its large weights beside it, and all of it in float32, because
 * neither half precision on the CPU nor a gradient in it is of use.
 */

import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../errors.js';
import { decodeModel } from './decode.js';
import { externalPlace, requireInFile } from './external-data.js';
import type { ModelProto, TensorProto } from './proto/onnx_pb.js';
import {
  TensorProto_DataLocation as DataLocation,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
} from './proto/onnx_pb.js';
import { raisedBytes, raiseModel } from './raise-float16.js';

/** Weights that lie outside a model, by the location that the model names. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

export interface ModelFile {
  readonly bytes: Uint8Array;
  readonly externalData: ExternalData;
}

/**
 * Reads a model and the external files it names; float16 becomes float32. Models with all of their data inside and in
 * float32 are returned as they lie on disk.
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if the model is cut short, names a file outside of its folder,
 * or a tensor beyond the end of its file.
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  const bytes = await readWhole(path, 'a model file', (size) => new ArrayBuffer(size));
  const model = decodeModel(bytes, path);
  const files = new Map<string, Uint8Array>();
  const external = new Map<string, Uint8Array>();
  for (const tensor of model.graph.initializer) {
    if (tensor.dataLocation !== DataLocation.EXTERNAL) continue;
    external.set(tensor.name, await externalBytes(tensor, path, files));
  }
  const isRaised = raiseModel(model);
  if (external.size === 0 && !isRaised) return { bytes, externalData: new Map() };
  const externalData = new Map<string, Uint8Array>();
  for (const tensor of model.graph.initializer) {
    const data = external.get(tensor.name);
    if (data) externalData.set(tensor.name, relocated(tensor, data));
  }
  return { bytes: toBinary(ModelProtoSchema, model as ModelProto), externalData };
}

/** Lets a tensor name a location of its own, whose bytes are returned. */
function relocated(tensor: TensorProto, data: Uint8Array): Uint8Array {
  const raised = raisedBytes(tensor, data);
  const entry = (key: string, value: string) => create(StringStringEntryProtoSchema, { key, value });
  tensor.externalData = [
    entry('location', tensor.name),
    entry('offset', '0'),
    entry('length', String(raised.byteLength)),
  ];
  return raised;
}

async function externalBytes(
  tensor: TensorProto,
  path: string,
  files: Map<string, Uint8Array>,
): Promise<Uint8Array> {
  const where = `${path} initializer "${tensor.name}"`;
  const place = externalPlace(tensor, where);
  const { location, start, length } = place;
  const file =
    files.get(location) ??
    (await readWhole(
      join(dirname(path), location),
      'the weights of a model',
      (size) => new SharedArrayBuffer(size),
    ));
  files.set(location, file);
  requireInFile(place, file.length, where);
  return file.subarray(start, start + length);
}

/** Longest read that every system takes at once. */
const MOST_BYTES_A_READ = 2 ** 30;

/**
 * The bytes of a file of any size. Weights go to memory that threads can share; onnxruntime takes no model from there.
 */
async function readWhole(
  path: string,
  what: string,
  allocate: (size: number) => ArrayBufferLike,
): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const bytes = new Uint8Array(allocate(size));
      for (let done = 0; done < size; ) {
        const { bytesRead } = await file.read(bytes, done, Math.min(size - done, MOST_BYTES_A_READ), done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected ${what}, got ${(cause as NodeJS.ErrnoException).code ?? 'an error'}. Export the pipeline again, or correct model.pipeline.`,
      { cause },
    );
  }
}
