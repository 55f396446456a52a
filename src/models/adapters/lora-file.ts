/**
 * @file Adapter files in safetensors: in the style of diffusers and PEFT, and in kohya's, which ComfyUI and AUTOMATIC1111
 * read. The scale of a layer is alpha / rank.
 */
import { sha256 } from '../files/checksum.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  floatValues,
  type SafetensorsTensor,
} from '../files/safetensors.js';
import { encodeFloat16 } from '../numeric/float16.js';
import { kohyaMetadata, toKohya } from './kohya.js';
import { fileShapes, haveOneRank, type LoraLayer, loraFault, someOf } from './lora-layer.js';
import {
  PEFT_METADATA,
  type PeftConfigFile,
  peftMetadata,
  readPeftConfig,
  readPeftMetadata,
} from './peft-metadata.js';
import { foreignKind, isBarePeft, parseTensorName, type TensorName } from './tensor-names.js';

/** Naming styles: `peft` for diffusers and PEFT; `kohya` for ComfyUI and AUTOMATIC1111, which diffusers reads too. */
export const LORA_FORMATS = ['peft', 'kohya'] as const;
export type LoraFormat = (typeof LORA_FORMATS)[number];
/** `fp32` to continue training, `fp16` to share: half the size, rounded. */
export const LORA_DTYPES = ['fp32', 'fp16'] as const;
export type LoraDtype = (typeof LORA_DTYPES)[number];

interface LoraFileOptions {
  readonly format: LoraFormat;
  readonly dtype: LoraDtype;
  /** A name for people, in the metadata of kohya's style; default `adapter`. */
  readonly title?: string;
}

const FOR_RESUMING: LoraFileOptions = { format: 'peft', dtype: 'fp32' };
const SAVE_AGAIN = 'Save the adapter again as LoRA, with diffusers, PEFT, kohya or Tributary.';
const CHECK_LAYERS = 'Give every layer a key and whole matrices.';

/**
 * Returns the bytes of an adapter file. Equal layers give equal bytes, in any order.
 * - `peft`: `<key>.lora_A.weight` and `<key>.lora_B.weight`, with `lora_adapter_metadata` (and `rank` and `alpha` if all
 *   layers have the same).
 * - `kohya`: `lora_unet_<module>.lora_down.weight`, `.lora_up.weight` and `.alpha`, with the metadata of sd-scripts.
 *
 * Errors: TRIB_LORA, naming the key, if there are no layers, a key names no component, occurs twice or has no name in kohya's
 * style, its arrays are not whole rows of `rank`, or a number is too large for fp16.
 */
export function encodeLoraFile(
  layers: readonly LoraLayer[],
  options: LoraFileOptions = FOR_RESUMING,
): Uint8Array {
  const [first] = layers;
  if (first === undefined) throw loraFault('layers', 'at least one', 'none', CHECK_LAYERS);
  const sorted = [...layers].sort((one, other) => (one.key < other.key ? -1 : 1));
  const tensors = new Map<string, SafetensorsTensor>();
  const hasTwoEncoders = layers.some(({ key }) => key.startsWith('text_encoder_2.'));
  for (const layer of sorted) {
    const { key, loraA, loraB, alpha } = layer;
    const shapes = fileShapes(layer);
    const names = namesOf(key, options.format, hasTwoEncoders);
    if (tensors.has(names.a)) throw loraFault(key, 'each layer once', 'it twice', CHECK_LAYERS);
    tensors.set(names.a, matrix(key, loraA, shapes.a, options.dtype));
    tensors.set(names.b, matrix(key, loraB, shapes.b, options.dtype));
    if (names.alpha) tensors.set(names.alpha, { dtype: 'F32', shape: [], data: Float32Array.of(alpha) });
  }
  if (options.format === 'kohya') return encodeKohya(sorted, tensors, options.title ?? 'adapter');
  const scale = haveOneRank(layers) ? { rank: `${first.rank}`, alpha: `${first.alpha}` } : {};
  const metadata = { format: 'pt', ...scale, [PEFT_METADATA]: peftMetadata(sorted) };
  return encodeSafetensors({ tensors, metadata });
}

/** AUTOMATIC1111 identifies an adapter by the hash of the bytes after the header. */
function encodeKohya(
  layers: readonly LoraLayer[],
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  title: string,
): Uint8Array {
  const bytes = encodeSafetensors({ tensors, metadata: {} });
  const header = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const modelHash = sha256(bytes.subarray(8 + header));
  return encodeSafetensors({ tensors, metadata: kohyaMetadata(layers, { title, modelHash }) });
}

function namesOf(
  key: string,
  format: LoraFormat,
  hasTwoEncoders: boolean,
): { a: string; b: string; alpha?: string } {
  if (!/^[^.]+\../.test(key))
    throw loraFault(key, 'a key such as unet.<module>', 'no dot in it', CHECK_LAYERS);
  if (format === 'peft') return { a: `${key}.lora_A.weight`, b: `${key}.lora_B.weight` };
  const name = toKohya(key, hasTwoEncoders);
  if (name) return { a: `${name}.lora_down.weight`, b: `${name}.lora_up.weight`, alpha: `${name}.alpha` };
  const expected = 'a module of UNet2DConditionModel, which has a name in the style of kohya';
  throw loraFault(key, expected, 'another name', 'Write it in the format peft.');
}

/** What accompanies an adapter file. */
export interface BesideLoraFile {
  /** The `adapter_config.json` of its folder, which is read if the tensors are named as in a bare PEFT model. */
  readonly peftConfig?: PeftConfigFile | undefined;
  /** Called once if nothing states alpha. */
  readonly warn?: ((message: string) => void) | undefined;
}

/**
 * Reads an adapter file of either style, or of diffusers before PEFT (see `parseTensorName`), in F64, F32, F16 or BF16. Returns
 * the layers sorted by key. Alpha comes from the layer's own tensor, else from the metadata or PEFT's `adapter_config.json`;
 * if none states it, it is the rank, as in diffusers and sd-scripts.
 *
 * Errors: TRIB_FILE if the file is damaged; TRIB_LORA, naming the keys, if it holds anything other than pairs of matrices or
 * of kernels with their alphas, or as `readPeftConfig` and `readPeftMetadata`.
 * @param where the file's name, for error texts.
 */
export function decodeLoraFile(
  bytes: Uint8Array,
  where: string,
  { peftConfig, warn }: BesideLoraFile = {},
): readonly LoraLayer[] {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const layers = new Map<string, Partial<Record<TensorName['part'], SafetensorsTensor>>>();
  const foreign: string[] = [];
  for (const [name, tensor] of tensors) {
    const parsed = parseTensorName(name);
    if (!parsed) {
      foreign.push(name);
      continue;
    }
    const parts = layers.get(parsed.key) ?? {};
    if (parts[parsed.part]) {
      throw loraFault(`${where} ${parsed.key}`, 'each layer once', `it twice (${name})`, SAVE_AGAIN);
    }
    layers.set(parsed.key, { ...parts, [parsed.part]: tensor });
  }
  if (foreign.length > 0) throw notLora(where, foreign);
  if (layers.size === 0) throw loraFault(where, 'at least one layer', 'none', SAVE_AGAIN);
  const ofMetadata = readPeftMetadata(metadata[PEFT_METADATA], where);
  const isBare = [...tensors.keys()].some(isBarePeft);
  const ofConfig = peftConfig && isBare ? readPeftConfig(peftConfig) : undefined;
  const assumed: LoraLayer[] = [];
  const read = [...layers.keys()].sort().map((key) => {
    const { A, B, alpha, mid } = layers.get(key) ?? {};
    const layer = pair(A, B, mid, `${where} ${key}`);
    const own = alpha && numbers(alpha, `${where} ${key}.alpha`);
    if (own && !(own.length === 1 && own.every((value) => value > 0))) {
      throw loraFault(`${where} ${key}.alpha`, 'one number above 0', `[${own.join(', ')}]`, SAVE_AGAIN);
    }
    const configured = ofConfig?.(key, layer.rank);
    const told = own?.[0] ?? ofMetadata(key, layer.rank) ?? configured;
    const whole = { key, ...layer, alpha: told ?? layer.rank };
    if (told === undefined) assumed.push(whole);
    return whole;
  });
  if (assumed.length > 0) warn?.(assumedAlpha(where, assumed, read.length, isBare));
  return read;
}

function assumedAlpha(where: string, assumed: readonly LoraLayer[], count: number, isBare: boolean): string {
  const ranks = [...new Set(assumed.map(({ rank }) => rank))].sort((a, b) => a - b);
  const which = assumed.length === count ? 'any layer' : `${assumed.length} of ${count} layers`;
  return (
    `${where}: nothing says the alpha of ${which}; it is taken to be the rank, ${ranks.join(' or ')}, as diffusers does. ` +
    `If it was another in training, ${isBare ? 'put the adapter_config.json of that run beside the file' : 'save the adapter again with its alpha'}.`
  );
}

function notLora(where: string, names: readonly string[]): Error {
  const kind = names.map(foreignKind).find((found) => found !== undefined);
  const expected = 'tensors named <module>.lora_A.weight or lora_unet_<module>.lora_down.weight';
  return loraFault(where, expected, `${someOf(names)}${kind ? `: ${kind}` : ''}`, SAVE_AGAIN);
}

/**
 * Checks that A and B fit. B is a matrix, or 1 x 1 kernels of the same numbers, regardless of A. With a middle kernel
 * [rank, rank, h, w] (LoCon's Tucker form), A is 1 x 1, and both together are one kernel of that size.
 */
function pair(
  a: SafetensorsTensor | undefined,
  b: SafetensorsTensor | undefined,
  mid: SafetensorsTensor | undefined,
  where: string,
): Pick<LoraLayer, 'loraA' | 'loraB' | 'rank'> & Pick<LoraLayer, 'kernel'> {
  if (!a || !b || !areFactors(a.shape, b.shape)) {
    const got = `[${a?.shape.join(', ') ?? 'missing'}] and [${b?.shape.join(', ') ?? 'missing'}]`;
    const expected = 'A [rank, in] and B [out, rank], or kernels [rank, in, h, w] and [out, rank, 1, 1]';
    throw loraFault(where, expected, got, SAVE_AGAIN);
  }
  const [rank, , height, width] = a.shape as [number, number, number?, number?];
  const kernel = height === undefined || width === undefined ? {} : { kernel: [height, width] as const };
  const layer = { loraA: floats(a, where), loraB: floats(b, where), rank, ...kernel };
  return mid ? { ...layer, ...withMiddle(layer.loraA, a.shape, mid, where) } : layer;
}

/** A and the middle kernel as one: A'[r, i, h, w] = sum over q of M[r, q, h, w] A[q, i]. */
function withMiddle(
  down: Float32Array,
  downShape: readonly number[],
  mid: SafetensorsTensor,
  where: string,
): Required<Pick<LoraLayer, 'loraA' | 'kernel'>> {
  const [rank = 0, inputs = 0, ...ones] = downShape;
  const [outer, inner, height, width] = mid.shape;
  const fits = mid.shape.length === 4 && outer === rank && inner === rank && ones.every((size) => size === 1);
  if (!fits || height === undefined || width === undefined) {
    const got = `[${downShape.join(', ')}] and [${mid.shape.join(', ')}]`;
    throw loraFault(where, 'A [rank, in, 1, 1] and a middle kernel [rank, rank, h, w]', got, SAVE_AGAIN);
  }
  const [middle, size] = [floats(mid, where), height * width];
  const loraA = new Float32Array(rank * inputs * size);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < inputs; i++) {
      for (let place = 0; place < size; place++) {
        let sum = 0;
        for (let q = 0; q < rank; q++) sum += middle[(r * rank + q) * size + place]! * down[q * inputs + i]!;
        loraA[(r * inputs + i) * size + place] = sum;
      }
    }
  }
  return { loraA, kernel: [height, width] };
}

function areFactors(a: readonly number[], b: readonly number[]): boolean {
  const [, inner, ...ones] = b;
  return (
    [a, b].every(({ length }) => length === 2 || length === 4) &&
    inner === a[0] &&
    ones.every((size) => size === 1) &&
    [...a, ...b].every((size) => size > 0)
  );
}

function matrix(
  key: string,
  data: Float32Array,
  shape: readonly number[],
  dtype: LoraDtype,
): SafetensorsTensor {
  if (!shape.every((axis) => Number.isInteger(axis) && axis > 0)) {
    const got = `${data.length} values for [${shape.join(', ')}]`;
    throw loraFault(key, 'whole rows of `rank` values', got, CHECK_LAYERS);
  }
  if (dtype === 'fp32') return { dtype: 'F32', shape, data };
  const bits = encodeFloat16(data);
  // In a number that became infinite, all bits of the exponent are set.
  const beyond = bits.findIndex((pattern) => (pattern & 0x7c00) === 0x7c00);
  if (beyond < 0) return { dtype: 'F16', shape, data: bits };
  throw loraFault(key, 'numbers up to 65504, as fp16 can hold', `${data[beyond]}`, 'Write it as fp32.');
}

/** Numbers that may also be stored as integers. */
function numbers(tensor: SafetensorsTensor, where: string): readonly number[] {
  return tensor.dtype === 'I64' ? Array.from(tensor.data, Number) : [...floats(tensor, where)];
}

function floats(tensor: SafetensorsTensor, where: string): Float32Array {
  const values = floatValues(tensor);
  if (values) return values;
  throw loraFault(where, 'F64, F32, F16 or BF16', tensor.dtype, SAVE_AGAIN);
}
