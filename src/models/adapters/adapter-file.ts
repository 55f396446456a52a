/** @file Reads adapter files in safetensors, of every style in use: layers of LoRA, and what else changes weights. */
import { decodeSafetensors, type SafetensorsTensor, tensorNames } from '../files/safetensors.js';
import { numbers, type Parts, pair, SAVE_AGAIN } from './factors.js';
import { type LoraLayer, loraFault, someOf } from './lora-layer.js';
import { type OtherLayer, otherLayers } from './other-layers.js';
import { PEFT_METADATA, type PeftConfigFile, readPeftConfig, readPeftMetadata } from './peft-metadata.js';
import { CHECKPOINT, foreignKind, isBarePeft, type Part, parseTensorName } from './tensor-names.js';

/** What accompanies an adapter file. */
export interface BesideLoraFile {
  /** The `adapter_config.json` of its folder, which is read if the tensors are named as in a bare PEFT model. */
  readonly peftConfig?: PeftConfigFile | undefined;
  /** Called once if nothing states alpha. */
  readonly warn?: ((message: string) => void) | undefined;
}

/** The changes in an adapter file, of all components, sorted by key. */
export interface AdapterContent {
  readonly layers: readonly LoraLayer[];
  /** What W + (alpha / rank) B A does not express: DoRA, LyCORIS, full differences, biases. */
  readonly others: readonly OtherLayer[];
}

/**
 * Reads an adapter file of any style (see `parseTensorName`), in F64, F32, F16 or BF16. Alpha comes from the layer's own
 * tensor, else from the metadata or PEFT's `adapter_config.json`; if none states it, it is the rank, as in diffusers and
 * sd-scripts.
 *
 * Errors: TRIB_FILE if the file is damaged; TRIB_LORA, naming the keys, if it holds anything that is not known, factors that do
 * not fit each other, or as `readPeftConfig` and `readPeftMetadata`.
 * @param where the file's name, for error texts.
 */
export function decodeAdapterFile(
  bytes: Uint8Array,
  where: string,
  { peftConfig, warn }: BesideLoraFile = {},
): AdapterContent {
  // What the file is comes before the types of its tensors.
  const unknown = tensorNames(bytes, where).filter((name) => !parseTensorName(name));
  if (unknown.length > 0) throw notLora(where, unknown);
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const found = partsByKey(tensors, where);
  const present = new Set([...found.values()].flatMap((parts) => Object.keys(parts) as Part[]));
  const ofMetadata = readPeftMetadata(metadata[PEFT_METADATA], where, present);
  const isBare = [...tensors.keys()].some(isBarePeft);
  const ofConfig = peftConfig && isBare ? readPeftConfig(peftConfig, present) : undefined;
  const ranks = new Map<string, number>();
  const assumed = new Set<string>();
  const alphaOf = (key: string, { alpha }: Parts, rank: number): number => {
    ranks.set(key, rank);
    const own = alpha && numbers(alpha, `${where} ${key}.alpha`);
    if (own && !(own.length === 1 && own.every((value) => value > 0))) {
      throw loraFault(`${where} ${key}.alpha`, 'one number above 0', `[${own.join(', ')}]`, SAVE_AGAIN);
    }
    const configured = ofConfig?.(key, rank);
    const told = own?.[0] ?? ofMetadata(key, rank) ?? configured;
    if (told === undefined) assumed.add(key);
    return told ?? rank;
  };
  const layers: LoraLayer[] = [];
  const others: OtherLayer[] = [];
  for (const key of [...found.keys()].sort()) {
    const parts = found.get(key) as Parts;
    const made = otherLayers(key, parts, {
      where: `${where} ${key}`,
      alphaOf: (rank) => alphaOf(key, parts, rank),
      scaleWithoutRank: () => {
        if (ofConfig) return ofConfig(key, null);
        if (!isBare) return 1;
        const expected = 'adapter_config.json beside it, which has the scale of LoKr with two whole factors';
        throw loraFault(`${where} ${key}`, expected, 'none', 'Copy it from the folder that PEFT wrote.');
      },
    });
    others.push(...made.layers);
    if (made.isWhole) continue;
    const layer = pair(parts.A, parts.B, parts.mid, `${where} ${key}`);
    layers.push({ key, ...layer, alpha: alphaOf(key, parts, layer.rank) });
  }
  if (assumed.size > 0) {
    const without = [...assumed].map((key) => ranks.get(key) as number);
    warn?.(assumedAlpha(where, without, ranks.size, isBare));
  }
  return { layers, others };
}

function partsByKey(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  where: string,
): ReadonlyMap<string, Parts> {
  const found = new Map<string, Parts>();
  for (const [name, tensor] of tensors) {
    const parsed = parseTensorName(name);
    if (!parsed) continue;
    const parts = found.get(parsed.key) ?? {};
    if (parts[parsed.part])
      throw loraFault(`${where} ${parsed.key}`, 'each layer once', `it twice (${name})`, SAVE_AGAIN);
    found.set(parsed.key, { ...parts, [parsed.part]: tensor });
  }
  if (found.size === 0) throw loraFault(where, 'at least one layer', 'none', SAVE_AGAIN);
  return found;
}

function assumedAlpha(where: string, without: readonly number[], count: number, isBare: boolean): string {
  const ranks = [...new Set(without)].sort((a, b) => a - b);
  const which = without.length === count ? 'any layer' : `${without.length} of ${count} layers`;
  return (
    `${where}: nothing says the alpha of ${which}; it is taken to be the rank, ${ranks.join(' or ')}, as diffusers does. ` +
    `If it was another in training, ${isBare ? 'put the adapter_config.json of that run beside the file' : 'save the adapter again with its alpha'}.`
  );
}

const USE_AS_PIPELINE = 'Name it as the pipeline (--pipeline, model.pipeline), and an adapter here.';

function notLora(where: string, names: readonly string[]): Error {
  const kind = names.map(foreignKind).find((known) => known !== undefined);
  const expected = 'tensors named <module>.lora_A.weight or lora_unet_<module>.lora_down.weight';
  const got = `${someOf(names)}${kind ? `: ${kind}` : ''}`;
  return loraFault(where, expected, got, kind === CHECKPOINT ? USE_AS_PIPELINE : SAVE_AGAIN);
}
