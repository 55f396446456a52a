/**
 * @file LoRA files in safetensors: in the style of diffusers and PEFT, and in kohya's, which ComfyUI and AUTOMATIC1111 read.
 * The scale of a layer is alpha / rank.
 */
import { sha256 } from '../files/checksum.js';
import { encodeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { encodeFloat16 } from '../numeric/float16.js';
import { type BesideLoraFile, decodeAdapterFile } from './adapter-file.js';
import { kohyaMetadata, toKohya } from './kohya.js';
import { fileShapes, haveOneRank, type LoraLayer, loraFault, someOf } from './lora-layer.js';
import { PEFT_METADATA, peftMetadata } from './peft-metadata.js';

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

/**
 * Reads the layers of an adapter file, sorted by key; see `decodeAdapterFile`.
 *
 * Errors: those of `decodeAdapterFile`; TRIB_LORA if some of its layers are not LoRA, naming them and the command that helps.
 * @param where the file's name, for error texts.
 */
export function decodeLoraFile(
  bytes: Uint8Array,
  where: string,
  beside: BesideLoraFile = {},
): readonly LoraLayer[] {
  const { layers, others } = decodeAdapterFile(bytes, where, beside);
  if (others.length === 0) return layers;
  const kinds = [...new Set(others.map(({ kind }) => kind))].join(' and ');
  const got = `${kinds} for ${others.length}: ${someOf(others.map(({ key }) => key))}`;
  const nextStep = `Merge the file into its base, and use that model: tributary merge ${where} --pipeline <base> --out <folder>.`;
  throw loraFault(where, 'LoRA for all layers', got, nextStep);
}
