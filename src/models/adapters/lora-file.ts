/**
 * @file `pytorch_lora_weights.safetensors`: the layout that diffusers' `load_lora_weights` reads. The scale of an adapter
 * is alpha / rank; diffusers takes alpha from the metadata, and equal to the rank where there is none.
 */
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { decodeSafetensors, encodeSafetensors, floatValues, type SafetensorsTensor } from './safetensors.js';

/** One adapted layer: y = x·W + (alpha / rank) · (x·Aᵀ)·Bᵀ. */
export interface LoraLayer {
  /** Component and module, such as `unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q`. */
  readonly key: string;
  /** A [rank, in] float32, row-major. */
  readonly loraA: Float32Array;
  /** B [out, rank] float32, row-major. */
  readonly loraB: Float32Array;
  readonly rank: number;
  readonly alpha: number;
}

const METADATA_KEY = 'lora_adapter_metadata';

/**
 * Returns the bytes of an adapter file: `<key>.lora_A.weight` [rank, in] and `<key>.lora_B.weight` [out, rank], F32, with
 * the metadata `format: pt`, `rank`, `alpha` and `lora_adapter_metadata` (diffusers 0.34 and newer: PEFT's LoraConfig
 * under the component's prefix, as JSON). Equal layers give equal bytes, in any order.
 *
 * Errors: TRIB_LORA if there are no layers, ranks or alphas differ, a key names no component, comes twice, or its
 * arrays do not hold whole rows of `rank`.
 */
export function encodeLoraFile(layers: readonly LoraLayer[]): Uint8Array {
  const [first] = layers;
  if (first === undefined) throw unfit('layers', 'at least one', 'none');
  const tensors = new Map<string, SafetensorsTensor>();
  const modules = new Map<string, string[]>();
  for (const { key, loraA, loraB, rank, alpha } of layers) {
    if (rank !== first.rank || alpha !== first.alpha) {
      const wanted = `rank ${first.rank} and alpha ${first.alpha} as in ${first.key}`;
      throw unfit(key, wanted, `${rank} and ${alpha}`);
    }
    const [component = '', ...path] = key.split('.');
    if (path.length === 0) throw unfit(key, 'a key such as unet.<module>', 'no dot in it');
    if (tensors.has(`${key}.lora_A.weight`)) throw unfit(key, 'each layer once', 'it twice');
    modules.set(component, [...(modules.get(component) ?? []), path.join('.')]);
    tensors.set(`${key}.lora_A.weight`, matrix(key, loraA, [rank, loraA.length / rank]));
    tensors.set(`${key}.lora_B.weight`, matrix(key, loraB, [loraB.length / rank, rank]));
  }
  const { rank, alpha } = first;
  const adapter: Record<string, unknown> = {};
  for (const component of [...modules.keys()].sort()) {
    adapter[`${component}.bias`] = 'none';
    adapter[`${component}.lora_alpha`] = alpha;
    adapter[`${component}.lora_dropout`] = 0;
    adapter[`${component}.r`] = rank;
    adapter[`${component}.target_modules`] = modules.get(component)?.sort();
  }
  const metadata = {
    format: 'pt',
    rank: `${rank}`,
    alpha: `${alpha}`,
    [METADATA_KEY]: JSON.stringify(adapter),
  };
  return encodeSafetensors({ tensors, metadata });
}

/**
 * Reads an adapter file in the layout of `encodeLoraFile`, F32, F16 or BF16, from Tributary or from diffusers. Layers
 * come sorted by key. Alpha is the metadata's, else the rank.
 *
 * Errors: TRIB_FILE if the file is damaged; TRIB_LORA if it holds anything else than pairs of such matrices, or scales
 * its layers one by one (`alpha_pattern`) or by the root of the rank (`use_rslora`).
 *
 * @param where - the file's name, for the text of an error.
 */
export function decodeLoraFile(bytes: Uint8Array, where: string): readonly LoraLayer[] {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const keys = new Set<string>();
  for (const name of tensors.keys()) {
    const key = /^(.+)\.lora_[AB]\.weight$/.exec(name)?.[1];
    if (key === undefined)
      throw unfit(where, 'tensors named <key>.lora_A.weight and <key>.lora_B.weight', `"${name}"`);
    keys.add(key);
  }
  if (keys.size === 0) throw unfit(where, 'at least one layer', 'none');
  const adapter = parseAdapterMetadata(metadata[METADATA_KEY], where);
  return [...keys].sort().map((key) => {
    const loraA = tensors.get(`${key}.lora_A.weight`);
    const loraB = tensors.get(`${key}.lora_B.weight`);
    const rank = loraA?.shape[0];
    if (
      !loraA ||
      !loraB ||
      rank === undefined ||
      loraA.shape.length !== 2 ||
      loraB.shape.length !== 2 ||
      loraB.shape[1] !== rank
    ) {
      const got = `[${loraA?.shape.join(', ') ?? 'missing'}] and [${loraB?.shape.join(', ') ?? 'missing'}]`;
      throw unfit(`${where} ${key}`, 'lora_A [rank, in] and lora_B [out, rank]', got);
    }
    const component = key.slice(0, key.indexOf('.'));
    const alpha = componentAlpha(adapter, component, where) ?? rank;
    return {
      key,
      loraA: floats(loraA, `${where} ${key}`),
      loraB: floats(loraB, `${where} ${key}`),
      rank,
      alpha,
    };
  });
}

const adapterSchema = z.record(z.string(), z.unknown());

function parseAdapterMetadata(text: string | undefined, where: string): Readonly<Record<string, unknown>> {
  if (text === undefined) return {};
  try {
    return adapterSchema.parse(JSON.parse(text));
  } catch {
    throw unfit(`${where} ${METADATA_KEY}`, 'an object in JSON', `${text.length} characters that are not`);
  }
}

function componentAlpha(
  adapter: Readonly<Record<string, unknown>>,
  component: string,
  where: string,
): number | undefined {
  const pattern = adapter[`${component}.alpha_pattern`];
  if (typeof pattern === 'object' && pattern !== null && Object.keys(pattern).length > 0) {
    throw unfit(
      `${where} ${component}.alpha_pattern`,
      'one alpha for all layers',
      JSON.stringify(pattern).slice(0, 60),
    );
  }
  if (adapter[`${component}.use_rslora`] === true) {
    throw unfit(`${where} ${component}.use_rslora`, 'a scale of alpha / rank', 'alpha / √rank');
  }
  const alpha = adapter[`${component}.lora_alpha`];
  if (alpha === undefined) return undefined;
  if (typeof alpha === 'number' && Number.isFinite(alpha)) return alpha;
  throw unfit(`${where} ${component}.lora_alpha`, 'a number', JSON.stringify(alpha));
}

function matrix(key: string, data: Float32Array, shape: readonly number[]): SafetensorsTensor {
  if (shape.every((axis) => Number.isInteger(axis) && axis > 0)) return { dtype: 'F32', shape, data };
  throw unfit(key, 'whole rows of `rank` values', `${data.length} values for [${shape.join(', ')}]`);
}

function floats(tensor: SafetensorsTensor, where: string): Float32Array {
  const values = floatValues(tensor);
  if (values) return values;
  throw unfit(where, 'F32, F16 or BF16', tensor.dtype);
}

function unfit(where: string, expected: string, got: string): TributaryError {
  const nextStep = 'Save the adapter with diffusers or Tributary, one rank and one alpha for all layers.';
  return new TributaryError('TRIB_LORA', `LoRA file ${where}: expected ${expected}, got ${got}. ${nextStep}`);
}
