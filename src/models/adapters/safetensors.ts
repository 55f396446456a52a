/**
 * @file The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes without
 * holes. Numbers are little-endian in the file, and on every machine that Node is built for except s390x.
 */
import { z } from 'zod';
import { TributaryError } from '../../errors.js';

/** A tensor and its numbers, in row-major order. F16 and BF16 are bit patterns. */
export type SafetensorsTensor =
  | { readonly dtype: 'F32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'F16' | 'BF16'; readonly shape: readonly number[]; readonly data: Uint16Array }
  | { readonly dtype: 'I64'; readonly shape: readonly number[]; readonly data: BigInt64Array }
  | { readonly dtype: 'U8'; readonly shape: readonly number[]; readonly data: Uint8Array };

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** Free text under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

type Dtype = SafetensorsTensor['dtype'];

const BYTES_PER_ELEMENT: Readonly<Record<Dtype, number>> = { I64: 8, F32: 4, F16: 2, BF16: 2, U8: 1 };
const LENGTH_BYTES = 8;
/** The limit of the reference implementation: a longer header is taken for damage. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Returns the bytes of a safetensors file. The same content gives the same bytes, in whatever order it comes: wider
 * types first, then by name (so that every tensor lies aligned to its element size), metadata keys sorted, the header
 * padded with spaces to a multiple of 8.
 *
 * Errors: TRIB_INTERNAL if a shape does not fit its data, or a tensor is named `__metadata__`.
 */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype] || compareText(nameA, nameB),
  );
  // Pairs, not an object: an object would move names that look like numbers to the front.
  const entries: string[] = [];
  if (Object.keys(metadata).length > 0) {
    const pairs = Object.entries(metadata).sort(([a], [b]) => compareText(a, b));
    const texts = pairs.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
    entries.push(`"__metadata__":{${texts.join(',')}}`);
  }
  let offset = 0;
  for (const [name, tensor] of ordered) {
    requireFit(name, tensor);
    const end = offset + tensor.data.byteLength;
    const record = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(record)}`);
    offset = end;
  }
  const text = new TextEncoder().encode(`{${entries.join(',')}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  bytes.set(text, LENGTH_BYTES);
  let position = LENGTH_BYTES + headerBytes;
  for (const [, { data }] of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

/**
 * Reads the bytes of a safetensors file into tensors that own their memory.
 *
 * Errors: TRIB_FILE, naming `where`, if the file is truncated or too long, its header is not what the format asks for,
 * a dtype is none of F32, F16, BF16, I64, U8, or the tensors overlap, leave a hole or do not fit their shapes.
 *
 * @param where - the file's name, for the text of an error.
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Safetensors {
  const dataStart = headerEnd(bytes, where);
  const { __metadata__: metadata, ...records } = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), where);
  const ordered = Object.entries(records as Readonly<Record<string, TensorRecord>>).sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  );
  const tensors = new Map<string, SafetensorsTensor>();
  let position = 0;
  for (const [name, record] of ordered) {
    const [start, end] = record.data_offsets;
    const size = record.shape.reduce((product, axis) => product * axis, BYTES_PER_ELEMENT[record.dtype]);
    if (start !== position) {
      throw damaged(`${where} tensor "${name}"`, `data from byte ${position}`, `from byte ${start}`);
    }
    if (end - start !== size) {
      const wanted = `${size} bytes for ${record.dtype} [${record.shape.join(', ')}]`;
      throw damaged(`${where} tensor "${name}"`, wanted, `${end - start}`);
    }
    if (dataStart + end > bytes.length) {
      throw damaged(where, `at least ${dataStart + end} bytes, for tensor "${name}"`, `${bytes.length}`);
    }
    // A Buffer's own slice would share the memory of the whole file.
    const data = Uint8Array.prototype.slice.call(bytes, dataStart + start, dataStart + end);
    tensors.set(name, tensorOf(record, data.buffer));
    position = end;
  }
  if (dataStart + position !== bytes.length) {
    throw damaged(where, `${dataStart + position} bytes`, `${bytes.length}`);
  }
  return { tensors, metadata: metadata ?? {} };
}

const count = z.int().min(0);
const tensorSchema = z.strictObject({
  dtype: z.enum(['F32', 'F16', 'BF16', 'I64', 'U8']),
  shape: z.array(count),
  data_offsets: z.tuple([count, count]),
});
const headerSchema = z
  .object({ __metadata__: z.record(z.string(), z.string()).optional() })
  .catchall(tensorSchema);
type TensorRecord = z.output<typeof tensorSchema>;

function headerEnd(bytes: Uint8Array, where: string): number {
  if (bytes.length < LENGTH_BYTES) throw damaged(where, 'at least 8 bytes', `${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES);
  const headerBytes = Number(view.getBigUint64(0, true));
  const most = Math.min(MAX_HEADER_BYTES, bytes.length - LENGTH_BYTES);
  if (headerBytes > most) throw damaged(where, `a header of at most ${most} bytes`, `${headerBytes}`);
  return LENGTH_BYTES + headerBytes;
}

function parseHeader(bytes: Uint8Array, where: string): z.output<typeof headerSchema> {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(where, 'a header in JSON', `${bytes.length} bytes that do not parse`, cause);
  }
  const result = headerSchema.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const key = issue?.path.map(String).join('.') || 'the header';
  throw damaged(
    `${where} header, ${key}`,
    'what the safetensors format asks for',
    `a fault: ${issue?.message}`,
  );
}

function tensorOf({ dtype, shape }: TensorRecord, buffer: ArrayBuffer): SafetensorsTensor {
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'F16':
    case 'BF16':
      return { dtype, shape, data: new Uint16Array(buffer) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(buffer) };
    default:
      return dtype satisfies never;
  }
}

function requireFit(name: string, { shape, data }: SafetensorsTensor): void {
  const numElements = shape.reduce((product, axis) => product * axis, 1);
  if (name !== '__metadata__' && numElements === data.length) return;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `safetensors "${name}": expected a tensor of ${data.length} elements, got shape [${shape.join(', ')}]. ` +
      'Give each tensor its shape, and no tensor the name __metadata__.',
  );
}

function damaged(where: string, expected: string, got: string, cause?: unknown): TributaryError {
  const text = `${where}: expected ${expected}, got ${got}. The file is damaged or cut short: take another copy.`;
  return new TributaryError('TRIB_FILE', text, { cause });
}

/** By code units, so that the order does not depend on the machine's language. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
