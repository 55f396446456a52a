/** @file The weights of one component of a diffusers folder: one safetensors file, or several with an index. */

import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { readJsonFile } from '../files/json-file.js';
import { WHY_NO_PICKLE } from '../files/read-bytes.js';
import { floatValues, type SafetensorsTensor, tensorOver } from '../files/safetensors.js';
import { openSafetensors, type SafetensorsFile } from '../files/safetensors-file.js';
import { BYTES_PER_ELEMENT, type TensorRecord } from '../files/safetensors-header.js';
import { type StandIn, unfinishedAmong } from '../files/stand-in.js';
import type { HalfType, StoredTensor } from '../graph/graph.js';
import { type FilePlace, realPlace } from '../graph/stored-files.js';
import { objectOf } from './config-fields.js';

/** A tensor that lies within one of a file: all of it or some rows, perhaps in another shape. */
export interface TensorView extends TensorRecord {
  /** Set if the file holds a matrix the other way round. */
  readonly isTransposed?: boolean;
}

/** The tensors of one component within a file of several, by the names that diffusers gives them. */
export type TensorViews = ReadonlyMap<string, TensorView>;

export interface ComponentWeights {
  /** The file or index, for messages. */
  readonly path: string;
  /** What says which weights there must be, for messages. */
  readonly describedBy: 'config.json' | 'the other tensors';
  /** The safetensors files that hold them. */
  readonly files: readonly SafetensorsFile[];
  /** The file that holds a tensor, and where in it. */
  readonly owners: Owners;
  /** Shape of every tensor, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Reads one tensor as float32, whatever precision it is stored in. */
  read(name: string): Promise<Float32Array>;
  /**
   * Where a tensor lies, if a runtime can use it in place: float32 at a multiple of four bytes, or a type of `halves` at a
   * multiple of two. Else null.
   */
  place(name: string, halves: readonly HalfType[]): StoredTensor | null;
  close(): Promise<void>;
}

/** Names of half precisions in safetensors. */
const HALF_DTYPES = { float16: 'F16', bfloat16: 'BF16' } as const;

/** Scales beside weights of eight bits: of ComfyUI's files, earlier and later ones. Without them the weights mean nothing. */
export const SCALES = /(^|\.)(scaled_fp8|scale_weight|weight_scale|comfy_quant)$/;
export const WHY_NO_SCALES = 'weights that are quantized with scales (ComfyUI\'s "scaled FP8")';
export const WITHOUT_SCALES = 'Use the file in F16 or BF16, or in FP8 without scales.';

/** Endings of files that torch.load reads. */
export const PICKLE = /\.(bin|ckpt|pt|pth|pkl|pickle)$/i;
export const CONVERT =
  'Convert the model with diffusers: load it and call save_pretrained(folder, safe_serialization=True).';
export const EXPORT =
  'Export the model with optimum, or save it with diffusers as safetensors, and point to that folder.';

/** The words that file names have for other precisions of the same weights, the preferred first. */
export const VARIANTS = ['fp32', 'fp16', 'bf16', 'non_ema'] as const;
export type Variant = (typeof VARIANTS)[number];

/** Names that a folder may have for a component's weights. */
interface WeightFiles {
  /** Null for the plain names, which stand for full precision. */
  readonly variant: Variant | null;
  readonly file: string;
  /** Of shards; diffusers and transformers have put a variant in each of these places. */
  readonly indexes: readonly string[];
}

/** The files to look for in a folder, in order: the plain names, then the variants. */
export function weightFiles(base: string): readonly WeightFiles[] {
  const plain = { variant: null, file: `${base}.safetensors`, indexes: [`${base}.safetensors.index.json`] };
  const variants = VARIANTS.map((variant) => ({
    variant,
    file: `${base}.${variant}.safetensors`,
    indexes: [
      `${base}.safetensors.index.${variant}.json`,
      `${base}.safetensors.${variant}.index.json`,
      `${base}.${variant}.safetensors.index.json`,
    ],
  }));
  return [plain, ...variants];
}

/**
 * Finds the file of a component's weights; null if the folder holds none.
 * @param base the name without its ending, `diffusion_pytorch_model` or `model`.
 * @param toCome names that count as present.
 *
 * Errors: TRIB_MODEL if there are only pickles, safetensors of other names, or an unfinished download.
 */
export async function findWeights(
  folder: string,
  base: string,
  toCome: readonly string[],
): Promise<string | null> {
  const entries = [...toCome, ...(await readdir(folder).catch((): string[] => []))];
  const found = weightFiles(base)
    .flatMap(({ file, indexes }) => [file, ...indexes])
    .find((name) => entries.includes(name));
  // aria2 gives a file its whole size at once, and says beside it that it is not whole.
  const unfinished = unfinishedAmong(found ? entries.filter((name) => name === `${found}.aria2`) : entries);
  if (unfinished) throw unfinishedFault(join(folder, found ?? `${base}.safetensors`), unfinished);
  if (found) return join(folder, found);
  const other = entries.find((name) => /\.safetensors?$/.test(name));
  if (other) throw otherNameFault(folder, base, other);
  const pickle = entries.find((name) => PICKLE.test(name));
  if (pickle) throw pickleFault(join(folder, pickle));
  return null;
}

/** The fault of weights whose download has not ended. */
export function unfinishedFault(path: string, { got, nextStep }: StandIn): TributaryError {
  return new TributaryError('TRIB_MODEL', `${path}: expected whole weights, got ${got}. ${nextStep}`);
}

/** The fault of safetensors that no loader would look for under that name. */
function otherNameFault(folder: string, base: string, name: string): TributaryError {
  const isShard = /-\d+-of-\d+/.test(name);
  const expected = isShard ? `${base}.safetensors.index.json beside its shards` : `${base}.safetensors`;
  const nextStep = isShard
    ? 'Copy the index, too: it says which tensor is in which file.'
    : `If it is what config.json describes, rename it; variants are ${VARIANTS.map((variant) => `${base}.${variant}.safetensors`).join(', ')}.`;
  return new TributaryError('TRIB_MODEL', `${folder}: expected ${expected}, got ${name}. ${nextStep}`);
}

/** The fault of a file that only torch.load reads. */
export function pickleFault(path: string): TributaryError {
  return new TributaryError('TRIB_MODEL', `${path}: expected safetensors, got ${WHY_NO_PICKLE}. ${CONVERT}`);
}

/**
 * Opens weights: a `.safetensors` file, or the JSON index of several.
 *
 * Errors: TRIB_MODEL if the index does not fit its files; TRIB_FILE if a file is missing or damaged.
 * @param views where the file holds several components: the tensors of this one.
 */
export async function openComponentWeights(
  path: string,
  views: TensorViews | null = null,
): Promise<ComponentWeights> {
  const files: SafetensorsFile[] = [];
  const close = async () => {
    for (const file of files) await file.close();
  };
  try {
    const owners = path.endsWith('.json') ? await openShards(path, files) : await openOne(path, views, files);
    const scale = [...owners.keys()].find((name) => SCALES.test(name));
    if (scale !== undefined) {
      const text = `${path} tensor "${scale}": expected plain weights, got ${WHY_NO_SCALES}. ${WITHOUT_SCALES}`;
      throw new TributaryError('TRIB_MODEL', text);
    }
    const places = new Map<SafetensorsFile, FilePlace>();
    for (const file of files) places.set(file, await realPlace(file.path));
    return {
      path,
      describedBy: views ? 'the other tensors' : 'config.json',
      files,
      owners,
      shapes: new Map([...owners].map(([name, { record }]) => [name, record.shape])),
      async read(name) {
        const owner = owners.get(name);
        if (owner) return readFloats(owner);
        const text = `${path}: expected a tensor "${name}", got none. Look it up in shapes.`;
        throw new TributaryError('TRIB_INTERNAL', text);
      },
      place(name, halves) {
        const { file, record } = owners.get(name) ?? {};
        const filePlace = file && places.get(file);
        if (!filePlace || !record || record.isTransposed) return null;
        const inFile = halves.find((type) => HALF_DTYPES[type] === record.dtype);
        if (record.dtype !== 'F32' && !inFile) return null;
        const offset = file.dataStart + record.start;
        if (offset % BYTES_PER_ELEMENT[record.dtype] !== 0) return null;
        const place = { type: 'float32', shape: record.shape, ...filePlace, offset } as const;
        return inFile ? { ...place, inFile } : place;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where a tensor lies. */
export interface Owner {
  readonly file: SafetensorsFile;
  readonly record: TensorView;
}

type Owners = ReadonlyMap<string, Owner>;

/** Reads a tensor in the type that it is stored in, the right way round. */
export async function readStored({ file, record }: Owner): Promise<SafetensorsTensor> {
  const tensor = await file.readRecord(record);
  return record.isTransposed ? transposed(tensor) : tensor;
}

/** Reads a tensor as float32. Errors: TRIB_MODEL if it holds integers. */
export async function readFloats(owner: Owner): Promise<Float32Array> {
  const tensor = await readStored(owner);
  const values = floatValues(tensor);
  if (values) return values;
  const text = `${owner.file.path} tensor "${owner.record.name}": expected floats, such as F32 or F16, got ${tensor.dtype}. Save the model in one of them.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** Returns a matrix of its shape from one that is stored the other way round. */
function transposed({ dtype, shape, data }: SafetensorsTensor): SafetensorsTensor {
  const [rows = 0, columns = 0] = shape;
  const size = data.BYTES_PER_ELEMENT;
  const stored = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const turned = new Uint8Array(new SharedArrayBuffer(data.byteLength));
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (column * rows + row) * size;
      turned.set(stored.subarray(from, from + size), (row * columns + column) * size);
    }
  }
  return tensorOver(dtype, shape, turned.buffer);
}

async function openOne(path: string, views: TensorViews | null, files: SafetensorsFile[]): Promise<Owners> {
  const file = await openSafetensors(path, views !== null);
  files.push(file);
  return new Map([...(views ?? file.records)].map(([name, record]) => [name, { file, record }]));
}

const indexSchema = objectOf({
  weight_map: z.record(z.string(), z.string({ error: 'expected a file name' }), {
    error: 'expected an object of tensor and file names',
  }),
});

async function openShards(path: string, files: SafetensorsFile[]): Promise<Owners> {
  const index = await readJsonFile(path, indexSchema, { code: 'TRIB_MODEL', nextStep: CONVERT });
  const shards = new Map<string, SafetensorsFile>();
  const owners = new Map<string, Owner>();
  for (const [name, fileName] of Object.entries(index.weight_map)) {
    if (basename(fileName) !== fileName || !fileName.endsWith('.safetensors')) {
      const text = `${path} weight_map, "${name}": expected a safetensors file beside the index, got "${fileName}". ${CONVERT}`;
      throw new TributaryError('TRIB_MODEL', text);
    }
    let shard = shards.get(fileName);
    if (!shard) {
      shard = await openSafetensors(join(dirname(path), fileName));
      files.push(shard);
      shards.set(fileName, shard);
    }
    const record = shard.records.get(name);
    if (!record) {
      const text = `${path} weight_map, "${name}": expected it in ${fileName}, got no such tensor there. Copy the folder again.`;
      throw new TributaryError('TRIB_MODEL', text);
    }
    owners.set(name, { file: shard, record });
  }
  return owners;
}
