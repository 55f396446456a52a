/**
 * @file PEFT's LoraConfig, as `adapter_config.json` holds it, and as diffusers puts it into the header of its own files: what
 * it says of alpha, and what of it would change the meaning of A and B.
 */
import { z } from 'zod';
import { loraFault } from './lora-layer.js';

/** What of a LoraConfig is read, as JSON. */
export type PeftConfig = Readonly<Record<string, unknown>>;

const SAVE_AGAIN = 'Save the adapter again with the configuration that it was trained with.';
const MERGE = 'Merge the adapter into its base model with PEFT, and use that model.';

/** With more, or in a longer path, a pattern could take seconds. */
const MOST_REPETITIONS = 3;
const LONGEST_PATH = 200;

const patternSchema = z.record(z.string(), z.number());

/**
 * Returns the alpha of a module of this rank: that of the first pattern that fits, else `lora_alpha`. With `use_rslora` the scale
 * is alpha / √rank (Kalajdzievski 2023), so the alpha of the same scale alpha / rank is alpha · √rank.
 *
 * Errors: TRIB_LORA, naming the field, if it asks for more than W + (alpha / rank) B A, if alpha is no number above 0, a pattern
 * no regular expression, or a rank not the one that the file has.
 *
 * @param key component and module, such as `unet.mid_block.attentions.0.proj_in`; patterns are of the module alone.
 * @param place what a fault calls a field, such as `adapter_config.json lora_alpha`.
 */
export function peftAlpha(
  config: PeftConfig,
  key: string,
  rank: number,
  place: (field: string) => string,
): number {
  const path = key.slice(key.indexOf('.') + 1);
  const value = (field: string, patterns: string): unknown => {
    const pattern = patternSchema.safeParse(config[patterns] ?? {});
    if (!pattern.success)
      throw loraFault(place(patterns), 'numbers by module', shown(config[patterns]), SAVE_AGAIN);
    return firstMatch(pattern.data, path, place(patterns)) ?? config[field] ?? undefined;
  };
  const ownRank = value('r', 'rank_pattern') ?? rank;
  if (ownRank !== rank) {
    throw loraFault(place('r'), `the rank ${rank} that "${key}" has`, shown(ownRank), SAVE_AGAIN);
  }
  const alpha = value('lora_alpha', 'alpha_pattern');
  if (typeof alpha !== 'number' || !Number.isFinite(alpha))
    throw loraFault(place('lora_alpha'), 'a number', shown(alpha), SAVE_AGAIN);
  if (alpha <= 0) throw loraFault(place('lora_alpha'), 'a number above 0', shown(alpha), SAVE_AGAIN);
  return config.use_rslora === true ? alpha * Math.sqrt(rank) : alpha;
}

/**
 * The value of the first pattern that fits, as PEFT has it (`get_pattern_key`): a regular expression for the end of a path, from a
 * dot or the beginning on. JavaScript moves keys that are whole numbers to the front, so where such a one decides, the
 * file's order is not known here.
 */
function firstMatch(
  patterns: Readonly<Record<string, number>>,
  path: string,
  where: string,
): number | undefined {
  const fitting = Object.entries(patterns).filter(([pattern]) => matches(pattern, path, where));
  const [first, ...others] = fitting;
  if (first && /^\d+$/.test(first[0]) && others.some(([, value]) => value !== first[1])) {
    const names = fitting.map(([pattern]) => `"${pattern}"`).join(' and ');
    throw loraFault(where, `one pattern for "${path}"`, names, 'Leave one of them.');
  }
  return first?.[1];
}

function matches(pattern: string, path: string, where: string): boolean {
  if (/^[\w.]+$/.test(pattern)) return endsLike(pattern, path);
  // Python's ends of a text, which JavaScript reads as the letters; and what may be searched for ever.
  const isForeign = /\\[AZ]/.test(pattern);
  const repetitions = pattern.match(/[*+{]/g)?.length ?? 0;
  const isSlow = /\)[*+{]/.test(pattern) || repetitions > MOST_REPETITIONS || path.length > LONGEST_PATH;
  try {
    if (!isForeign && !isSlow) return new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(path);
  } catch {
    // Said below.
  }
  const expected = isSlow
    ? `patterns without repeated groups and with at most ${MOST_REPETITIONS} repetitions, for paths of up to ${LONGEST_PATH} letters`
    : 'patterns that are regular expressions';
  throw loraFault(where, expected, `"${shortened(pattern)}"`, SAVE_AGAIN);
}

/** As the regular expression would, for names, in which only a dot is more than itself. */
function endsLike(pattern: string, path: string): boolean {
  const start = path.length - pattern.length;
  if (start < 0 || (start > 0 && path[start - 1] !== '.')) return false;
  return [...pattern].every((letter, i) => letter === '.' || letter === path[start + i]);
}

/** Fields that must say nothing, and what they would change. */
const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  modules_to_save: 'layers that were trained as a whole',
  layer_replication: 'layers that occur several times',
  megatron_config: 'layers that are spread over devices',
  trainable_token_indices: 'embeddings of tokens',
  alora_invocation_tokens: 'an adapter that certain tokens switch on',
  target_parameters: 'parameters beside the weights of layers',
  arrow_config: 'a choice among several adapters',
  kasa_config: 'another base model, and a matrix between A and B',
  monteclora_config: 'random matrices beside A and B',
};
/** Ways of starting that leave the base model as it is. The others take A and B out of its weights, or quantize them. */
const STARTS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal'];

/**
 * Refuses what W + (alpha / rank) B A cannot stand for. `fan_in_fan_out` is no such thing: no layer of a UNet has its weight the
 * other way round, and PEFT corrects it.
 *
 * Errors: TRIB_LORA, naming the field.
 */
export function requirePlainLora(config: PeftConfig, place: (field: string) => string): void {
  const refuse = (field: string, expected: string, why: string) => {
    throw loraFault(place(field), expected, `${shown(config[field])}${why && `: ${why}`}`, MERGE);
  };
  const type = config.peft_type ?? 'LORA';
  if (type !== 'LORA') refuse('peft_type', 'LORA', '');
  if ((config.bias ?? 'none') !== 'none') refuse('bias', '"none"', 'biases that were trained too');
  if (config.lora_bias === true) refuse('lora_bias', 'false', 'a bias of B');
  if (!STARTS.includes(config.init_lora_weights))
    refuse('init_lora_weights', 'a start that leaves the base model as it is', '');
  for (const field of Object.keys(config)) {
    // DoRA, QA-LoRA and others that are to come: each has a field of this kind.
    if (field.startsWith('use_') && field !== 'use_rslora' && isSet(config[field]))
      refuse(field, 'false', 'another formula than that of LoRA');
  }
  for (const [field, why] of Object.entries(FOREIGN_FIELDS)) {
    if (isSet(config[field])) refuse(field, 'null', why);
  }
}

const isSet = (value: unknown) =>
  value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);

function shown(value: unknown): string {
  return shortened(JSON.stringify(value) ?? 'nothing');
}

const shortened = (text: string) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
