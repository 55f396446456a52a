/**
 * @file The header of a safetensors file. It is checked before any data is read: its lengths, shapes and offsets must all fit
 * the file.
 */
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { isPickle, WHY_NO_PICKLE } from './read-bytes.js';
import { standIn } from './stand-in.js';

const DTYPES = ['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2', 'I64', 'U8'] as const;
export type Dtype = (typeof DTYPES)[number];

export const BYTES_PER_ELEMENT: Readonly<Record<Dtype, number>> = {
  ...{ F64: 8, I64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1, U8: 1 },
};

/** How the format names types, including those that are not supported here. */
const ANY_DTYPE = /^(?:BOOL|(?:BF|F|I|U|C)\d+(?:_\w+)?)$/;

const METADATA = '__metadata__';

/** Size in bytes of the header's length, which comes first. */
export const LENGTH_BYTES = 8;
/** The limit of the reference implementation: a longer header counts as damage. */
const MAX_HEADER_BYTES = 100_000_000;

/** One tensor of a file. */
export interface TensorRecord {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The first byte and the one after the last, counted from the end of the header. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly records: readonly TensorRecord[];
  /** The types of tensors that are none of `records`, by name, where they may be left out. */
  readonly leftOut: ReadonlyMap<string, string>;
  readonly metadata: Readonly<Record<string, string>>;
}

const count = z.int().min(0);
const tensorSchema = z.object({
  dtype: z.enum(DTYPES),
  shape: z.array(count),
  data_offsets: z.tuple([count, count]),
});
/** The fields of an entry, in the order in which the reference implementation reads them from a list. */
const LISTED = ['dtype', 'shape', 'data_offsets'] as const;

/** Largest number of axes, as in PyTorch. */
const MAX_AXES = 64;

/**
 * Returns where the data begins.
 *
 * Errors: TRIB_FILE if the file cannot hold such a header.
 * @param first the first bytes of the file, at least 8 if it has that many.
 * @param fileBytes the length of the whole file.
 */
export function headerEnd(first: Uint8Array, fileBytes: number, where: string): number {
  if (fileBytes < LENGTH_BYTES) throw damaged(where, 'at least 8 bytes', `${fileBytes}`);
  if (isPickle(first)) {
    const text = `${where}: expected safetensors, got ${WHY_NO_PICKLE}. Load it where you trust it, and save it as safetensors.`;
    throw new TributaryError('TRIB_FILE', text);
  }
  const other = standIn(first);
  if (other) {
    throw new TributaryError(
      'TRIB_FILE',
      `${where}: expected safetensors, got ${other.got}. ${other.nextStep}`,
    );
  }
  const view = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES);
  const headerBytes = Number(view.getBigUint64(0, true));
  const most = Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES);
  if (headerBytes > most) throw damaged(where, `a header of at most ${most} bytes`, `${headerBytes}`);
  return LENGTH_BYTES + headerBytes;
}

/**
 * Reads the header's JSON. Like the reference implementation (safetensors 0.8.0), it ignores unknown fields of an entry, and
 * accepts a list of the three fields as an entry and `null` as no metadata.
 *
 * Errors: TRIB_FILE if the header violates the format, a dtype is none of `DTYPES`, or the tensors overlap,
 * leave a gap, or do not fit their shapes or the file.
 * @param leavesOut whether tensors of other dtypes may be there, and are left out.
 * @param fileBytes the length of the whole file, which the tensors must fill.
 */
export function parseSafetensorsHeader(
  header: Uint8Array,
  fileBytes: number,
  where: string,
  leavesOut = false,
): SafetensorsHeader {
  const { metadata, entries } = parseJson(header, where);
  const leftOut = new Map<string, string>();
  const all = entries
    .map(([name, entry]) => {
      const stated = isMapping(entry) ? entry : {};
      const isOther = leavesOut && ANY_DTYPE.test(String(stated.dtype)) && !isHeld(stated.dtype);
      // Its bytes still take their place in the file.
      const bytes = { ...stated, dtype: 'U8', shape: [lengthOf(stated.data_offsets)] };
      if (isOther) leftOut.set(name, String(stated.dtype));
      const { dtype, shape, data_offsets: offsets } = readEntry(name, isOther ? bytes : entry, where);
      return { name, dtype, shape, start: offsets[0], end: offsets[1] };
    })
    .sort((a, b) => a.start - b.start || a.end - b.end);
  const dataStart = LENGTH_BYTES + header.length;
  let position = 0;
  for (const { name, dtype, shape, start, end } of all) {
    const size = shape.reduce((product, axis) => product * axis, BYTES_PER_ELEMENT[dtype]);
    if (start !== position) {
      throw damaged(`${where} tensor "${name}"`, `data from byte ${position}`, `from byte ${start}`);
    }
    if (end - start !== size) {
      const wanted = `${size} bytes for ${dtype} [${shape.join(', ')}]`;
      throw damaged(`${where} tensor "${name}"`, wanted, `${end - start}`);
    }
    if (dataStart + end > fileBytes) {
      throw damaged(where, `at least ${dataStart + end} bytes, for tensor "${name}"`, `${fileBytes}`);
    }
    position = end;
  }
  if (dataStart + position !== fileBytes)
    throw damaged(where, `${dataStart + position} bytes`, `${fileBytes}`);
  return { records: all.filter(({ name }) => !leftOut.has(name)), leftOut, metadata };
}

const isHeld = (dtype: unknown): boolean => tensorSchema.shape.dtype.safeParse(dtype).success;

const lengthOf = (offsets: unknown): unknown =>
  Array.isArray(offsets) ? Number(offsets[1]) - Number(offsets[0]) : undefined;

/** The fault of a tensor whose numbers are of a type that is not read. */
export function unreadType(where: string, name: string, dtype: string): TributaryError {
  const text = `${where} tensor "${name}": expected ${DTYPES.join(', ')}, got ${dtype}. Save it in one of these, weights as F32 or F16.`;
  return new TributaryError('TRIB_FILE', text);
}

interface HeaderContent {
  readonly metadata: Readonly<Record<string, string>>;
  /** The entry of each tensor, unchecked. */
  readonly entries: readonly (readonly [name: string, entry: unknown])[];
}

/** Stops at the first fault: a header may have millions, and each would cost memory. */
function parseJson(bytes: Uint8Array, where: string): HeaderContent {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw damaged(where, 'a header in JSON', `${bytes.length} bytes that do not parse`, cause);
  }
  if (!isMapping(content)) throw unlikeTheFormat(where, 'the header', 'no mapping');
  const entries = Object.entries(content).filter(([name]) => name !== METADATA);
  const metadata = (Object.hasOwn(content, METADATA) ? content[METADATA] : null) ?? {};
  if (!isMapping(metadata)) throw unlikeTheFormat(where, METADATA, 'no mapping');
  const wrong = Object.keys(metadata).find((key) => typeof metadata[key] !== 'string');
  if (wrong !== undefined) throw unlikeTheFormat(where, `${METADATA}.${wrong}`, 'no text');
  return { metadata: metadata as HeaderContent['metadata'], entries };
}

function readEntry(name: string, stated: unknown, where: string): z.output<typeof tensorSchema> {
  const isList = Array.isArray(stated) && stated.length === LISTED.length;
  const entry: unknown = isList ? Object.fromEntries(LISTED.map((key, i) => [key, stated[i]])) : stated;
  const { shape, dtype } = isMapping(entry) ? entry : {};
  if (Array.isArray(shape) && shape.length > MAX_AXES)
    throw unlikeTheFormat(where, `${name}.shape`, `${shape.length} axes`);
  const result = tensorSchema.safeParse(entry);
  if (result.success) return result.data;
  if (!isHeld(dtype) && ANY_DTYPE.test(String(dtype))) throw unreadType(where, name, String(dtype));
  const [issue] = result.error.issues;
  if (!issue) throw unlikeTheFormat(where, name, 'no entry');
  throw unlikeTheFormat(where, [name, ...issue.path].map(String).join('.'), issue.message);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unlikeTheFormat(where: string, key: string, fault: string): TributaryError {
  return damaged(`${where} header, ${key}`, 'what the safetensors format asks for', `a fault: ${fault}`);
}

function damaged(where: string, expected: string, got: string, cause?: unknown): TributaryError {
  const text = `${where}: expected ${expected}, got ${got}. The file is damaged or truncated: copy it again.`;
  return new TributaryError('TRIB_FILE', text, { cause });
}
