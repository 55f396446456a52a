/**
 * @file The safetensors of a component with changed weights, as files to write: with the same names and metadata, and the same
 * bytes for what does not change. One tensor is in memory at a time.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { TributaryError } from '../../errors.js';
import type { FileContent } from '../files/atomic.js';
import { encodeSafetensorsHead, floatValues } from '../files/safetensors.js';
import { openSafetensors, type SafetensorsFile } from '../files/safetensors-file.js';
import { BYTES_PER_ELEMENT, type Dtype } from '../files/safetensors-header.js';
import { type Layout, requireFit, type WeightChange } from '../graph/weights/weight-change.js';
import { openComponentWeights } from '../networks/component-weights.js';
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
    const found = [...weights.shapes].map(
      ([name, shape]) => [name, { shape, layout: layoutOf(shape) }] as const,
    );
    requireFit(changes, new Map(found), path);
    const changeOf = new Map(changes.map((change) => [change.name, change]));
    const files: Record<string, FileContent> = {};
    for (const file of weights.files) files[basename(file.path)] = { pieces: contentOf(file.path, changeOf) };
    if (path.endsWith('.json')) files[basename(path)] = await grownIndex(path, weights.files, changeOf);
    return files;
  } finally {
    await weights.close();
  }
}

/** PyTorch stores matrices as [out, in]. */
const layoutOf = (shape: readonly number[]): Layout => (shape.length === 2 ? 'out-in' : 'kernels');

async function* contentOf(path: string, changes: Changes): AsyncGenerator<Uint8Array> {
  const file = await openSafetensors(path);
  try {
    const tensors = [...file.records].map(
      ([name, { dtype, shape }]) =>
        [name, { dtype: changes.has(name) ? ('F32' satisfies Dtype) : dtype, shape }] as const,
    );
    const { head, order } = encodeSafetensorsHead(new Map(tensors), file.metadata);
    yield head;
    for (const name of order) {
      const data = await changedTensor(file, name, changes.get(name));
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  } finally {
    await file.close();
  }
}

async function changedTensor(file: SafetensorsFile, name: string, change: WeightChange | undefined) {
  const tensor = await file.read(name);
  if (!change) return tensor.data;
  const values = floatValues(tensor);
  if (!values) {
    const text = `${file.path} tensor "${name}": expected F32, F16 or BF16, got ${tensor.dtype}. Save the model in one of them.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  change.apply(values, layoutOf(tensor.shape));
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
