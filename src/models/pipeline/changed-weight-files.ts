/**
 * @file The safetensors of a component with changed weights, as files to write: with the same names and metadata, and the same
 * bytes for what does not change. One tensor is in memory at a time.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FileContent } from '../files/atomic.js';
import { encodeSafetensorsHead } from '../files/safetensors.js';
import type { SafetensorsFile } from '../files/safetensors-file.js';
import { BYTES_PER_ELEMENT, type Dtype } from '../files/safetensors-header.js';
import { type Layout, requireFit, type WeightChange } from '../graph/weights/weight-change.js';
import {
  type Owner,
  openComponentWeights,
  readFloats,
  readStored,
  type TensorViews,
} from '../networks/component-weights.js';
import { elementCount } from '../tensor.js';

type Changes = ReadonlyMap<string, WeightChange>;

/**
 * Returns the files by name, relative to the component's folder. A changed tensor is written in float32 even if it was in
 * half precision, so that a small change is not rounded away.
 *
 * Errors: TRIB_LORA as `requireFit`; TRIB_MODEL and TRIB_FILE as `openComponentWeights`, also while the content is read.
 * @param path a safetensors file, or the index of several.
 */
export async function changedWeightFiles(
  path: string,
  changes: readonly WeightChange[],
): Promise<Readonly<Record<string, FileContent>>> {
  const weights = await openComponentWeights(path);
  try {
    const changeOf = changesByName(path, weights.shapes, changes);
    const files: Record<string, FileContent> = {};
    for (const file of weights.files) files[basename(file.path)] = { pieces: contentOf(file.path, changeOf) };
    if (path.endsWith('.json')) files[basename(path)] = await grownIndex(path, weights.files, changeOf);
    return files;
  } finally {
    await weights.close();
  }
}

/** Returns changes by the weights' names. Errors: TRIB_LORA as `requireFit`. */
export function changesByName(
  path: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  stated: readonly WeightChange[],
): Changes {
  // transformers 5 leaves out the name of the model inside CLIP.
  const changes = stated.map((change) => {
    const name = shapes.has(change.name) ? change.name : change.name.replace(/^text_model\./, '');
    return shapes.has(name) ? { ...change, name } : change;
  });
  const found = [...shapes].map(([name, shape]) => [name, { shape, layout: layoutOf(shape) }] as const);
  requireFit(changes, new Map(found), path);
  return new Map(changes.map((change) => [change.name, change]));
}

/** PyTorch stores matrices as [out, in]. */
const layoutOf = (shape: readonly number[]): Layout => (shape.length === 2 ? 'out-in' : 'kernels');

/**
 * Yields the bytes of a safetensors file with changed weights.
 *
 * Errors: as `openComponentWeights` and `readFloats`.
 * @param views where the file holds several networks: the tensors of this one.
 */
export async function* contentOf(
  path: string,
  changes: Changes,
  views: TensorViews | null = null,
): AsyncGenerator<Uint8Array> {
  const { owners, files, close } = await openComponentWeights(path, views);
  try {
    const tensors = [...owners].map(([name, { record }]) => {
      const { dtype, shape } = record;
      return [name, { dtype: changes.has(name) ? ('F32' satisfies Dtype) : dtype, shape }] as const;
    });
    const { head, order } = encodeSafetensorsHead(new Map(tensors), views ? {} : (files[0]?.metadata ?? {}));
    yield head;
    for (const name of order) {
      const data = await changedTensor(owners.get(name) as Owner, changes.get(name));
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  } finally {
    await close();
  }
}

async function changedTensor(owner: Owner, change: WeightChange | undefined) {
  if (!change) return (await readStored(owner)).data;
  const values = await readFloats(owner);
  const { shape } = owner.record;
  change.apply(values, layoutOf(shape), shape);
  return values;
}

/** The index, which also says how many bytes all tensors have. */
async function grownIndex(
  path: string,
  files: readonly SafetensorsFile[],
  changes: Changes,
): Promise<string> {
  const index = JSON.parse(await readFile(path, 'utf8')) as { metadata?: { total_size?: unknown } };
  const records = files.flatMap((file) => [...file.records.values()]);
  const growth = records
    .filter(({ name }) => changes.has(name))
    .reduce((sum, { dtype, shape }) => sum + (4 - BYTES_PER_ELEMENT[dtype]) * elementCount(shape), 0);
  if (growth !== 0 && typeof index.metadata?.total_size === 'number') index.metadata.total_size += growth;
  return `${JSON.stringify(index, null, 2)}\n`;
}
