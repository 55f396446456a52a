/**
 * @file The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes without gaps.
 * Numbers are little-endian in the file, and on every machine that Node runs on except s390x.
 */
import { TributaryError } from '../../errors.js';
import { decodeFloat8, type Float8Type } from '../numeric/float8.js';
import { decodeBfloat16, decodeFloat16 } from '../numeric/float16.js';
import {
  BYTES_PER_ELEMENT,
  type Dtype,
  headerEnd,
  LENGTH_BYTES,
  parseSafetensorsHeader,
} from './safetensors-header.js';

/** A tensor and its numbers in row-major order. F16, BF16 and the floats of eight bits are bit patterns. */
export type SafetensorsTensor =
  | { readonly dtype: 'F64'; readonly shape: readonly number[]; readonly data: Float64Array }
  | { readonly dtype: 'F32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'F16' | 'BF16'; readonly shape: readonly number[]; readonly data: Uint16Array }
  | { readonly dtype: 'I64'; readonly shape: readonly number[]; readonly data: BigInt64Array }
  | { readonly dtype: 'U8' | Float8Type; readonly shape: readonly number[]; readonly data: Uint8Array };

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** Free text under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Returns the bytes of a safetensors file. Equal content gives equal bytes, in any order.
 *
 * Errors: TRIB_INTERNAL if a shape does not fit its data, or a tensor is named `__metadata__`.
 */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array {
  for (const [name, tensor] of tensors) requireFit(name, tensor);
  const { head, order } = encodeSafetensorsHead(tensors, metadata);
  const data = order.map((name) => (tensors.get(name) as SafetensorsTensor).data);
  const bytes = new Uint8Array(data.reduce((sum, { byteLength }) => sum + byteLength, head.length));
  bytes.set(head);
  let position = head.length;
  for (const { buffer, byteOffset, byteLength } of data) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), position);
    position += byteLength;
  }
  return bytes;
}

/**
 * Returns the head of the file and the order of the tensors' bytes after it: wider types first, then by name, so that every
 * tensor is aligned to its element size. Metadata keys are sorted; the header is padded with spaces to a multiple of 8.
 */
export function encodeSafetensorsHead(
  tensors: ReadonlyMap<string, { readonly dtype: Dtype; readonly shape: readonly number[] }>,
  metadata: Safetensors['metadata'],
): { readonly head: Uint8Array; readonly order: readonly string[] } {
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
  for (const [name, { dtype, shape }] of ordered) {
    const end = offset + shape.reduce((product, axis) => product * axis, BYTES_PER_ELEMENT[dtype]);
    const record = { dtype, shape, data_offsets: [offset, end] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(record)}`);
    offset = end;
  }
  const text = new TextEncoder().encode(`{${entries.join(',')}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const head = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20, LENGTH_BYTES);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerBytes), true);
  head.set(text, LENGTH_BYTES);
  return { head, order: ordered.map(([name]) => name) };
}

/**
 * Reads the bytes of a safetensors file into tensors that own their memory.
 *
 * Errors: TRIB_FILE, naming `where`, if the file is truncated or too long, or as `parseSafetensorsHeader`.
 * @param where the file's name, for error texts.
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Safetensors {
  const dataStart = headerEnd(bytes, bytes.length, where);
  const header = bytes.subarray(LENGTH_BYTES, dataStart);
  const { records, metadata } = parseSafetensorsHeader(header, bytes.length, where);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const { name, dtype, shape, start, end } of records) {
    // A Buffer's own `slice` would share the memory of the whole file.
    const data = Uint8Array.prototype.slice.call(bytes, dataStart + start, dataStart + end);
    tensors.set(name, tensorOver(dtype, shape, data.buffer));
  }
  return { tensors, metadata };
}

/** The names of all tensors, whatever their types. Errors: TRIB_FILE if the header violates the format. */
export function tensorNames(bytes: Uint8Array, where: string): string[] {
  const header = bytes.subarray(LENGTH_BYTES, headerEnd(bytes, bytes.length, where));
  const { records, leftOut } = parseSafetensorsHeader(header, bytes.length, where, true);
  return [...records.map(({ name }) => name), ...leftOut.keys()];
}

/** The numbers of a tensor as float32, which is exact for smaller floats and rounds F64; null for integers. */
export function floatValues(tensor: SafetensorsTensor): Float32Array | null {
  switch (tensor.dtype) {
    case 'F64':
      return Float32Array.from(tensor.data);
    case 'F32':
      return tensor.data;
    case 'F16':
      return decodeFloat16(tensor.data);
    case 'BF16':
      return decodeBfloat16(tensor.data);
    case 'F8_E4M3':
    case 'F8_E5M2':
      return decodeFloat8(tensor.dtype, tensor.data);
    case 'I64':
    case 'U8':
      return null;
    default:
      return tensor satisfies never;
  }
}

/** Returns a tensor over the bytes of a buffer, which are not copied. */
export function tensorOver(
  dtype: Dtype,
  shape: readonly number[],
  buffer: ArrayBufferLike,
): SafetensorsTensor {
  switch (dtype) {
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer) };
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'F16':
    case 'BF16':
      return { dtype, shape, data: new Uint16Array(buffer) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer) };
    case 'U8':
    case 'F8_E4M3':
    case 'F8_E5M2':
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

/** By code units, so that the order does not depend on the machine's language. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
