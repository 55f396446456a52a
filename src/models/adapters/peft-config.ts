/**
 * @file PEFT's LoraConfig, from `adapter_config.json` or from the header of a file of diffusers: what it says about alpha, and
 * which of its fields would change the meaning of the tensors. LoHaConfig and LoKrConfig, from `adapter_config.json` alone.
 */
import * as z from 'zod';
import { loraFault } from './lora-layer.js';
import type { Part } from './tensor-names.js';

/** A LoraConfig, LoHaConfig or LoKrConfig as parsed JSON. */
export type PeftConfig = Readonly<Record<string, unknown>>;

const SAVE_AGAIN = 'Save the adapter again with the configuration that it was trained with.';
const MERGE = 'Merge the adapter into its base model with PEFT, and use that model.';

/** Limits beyond which a pattern could take seconds to match. */
const MOST_REPETITIONS = 3;
const LONGEST_PATH = 200;

const patternSchema = z.record(z.string(), z.number());

/** Which adapters are read, by `peft_type`: the field of alpha, and what their tensors are called. */
const KINDS = {
  LORA: { alphaField: 'lora_alpha', tensor: /^A$/ },
  LOHA: { alphaField: 'alpha', tensor: /^hada_/ },
  LOKR: { alphaField: 'alpha', tensor: /^lokr_/ },
} as const;

const kindOf = ({ peft_type: type = 'LORA' }: PeftConfig) =>
  Object.entries(KINDS).find(([name]) => name === type)?.[1];

/**
 * Returns the alpha of a module of this rank: that of the first pattern that matches, else `lora_alpha` (LoHa, LoKr: `alpha`). With `use_rslora` the
 * scale is alpha / √rank (Kalajdzievski 2023), which equals alpha / rank for the returned alpha · √rank.
 *
 * Errors: TRIB_LORA, naming the field, if it asks for more than W + (alpha / rank) B A, alpha is not a number above 0, a pattern
 * is not a regular expression, or the rank is not that of the file.
 * @param rank null where no tensor shows it, as in LoKr of two whole factors: what is returned is then alpha / r, which PEFT
 * applies to these too.
 * @param key component and module, such as `unet.mid_block.attentions.0.proj_in`; patterns only match the module.
 * @param place what to call a field in error texts, such as `adapter_config.json lora_alpha`.
 */
export function peftAlpha(
  config: PeftConfig,
  key: string,
  rank: number | null,
  place: (field: string) => string,
): number {
  const path = key.slice(key.indexOf('.') + 1);
  const value = (field: string, patterns: string): unknown => {
    const pattern = patternSchema.safeParse(config[patterns] ?? {});
    if (!pattern.success)
      throw loraFault(place(patterns), 'numbers by module', shown(config[patterns]), SAVE_AGAIN);
    return firstMatch(pattern.data, path, place(patterns)) ?? config[field] ?? undefined;
  };
  const stated = (field: string, patterns: string): number => {
    const number = value(field, patterns);
    if (typeof number !== 'number' || !Number.isFinite(number))
      throw loraFault(place(field), 'a number', shown(number), SAVE_AGAIN);
    if (number <= 0) throw loraFault(place(field), 'a number above 0', shown(number), SAVE_AGAIN);
    return number;
  };
  const alphaField = (kindOf(config) ?? KINDS.LORA).alphaField;
  if (rank === null) return stated(alphaField, 'alpha_pattern') / stated('r', 'rank_pattern');
  const ownRank = value('r', 'rank_pattern') ?? rank;
  if (ownRank !== rank) {
    throw loraFault(place('r'), `the rank ${rank} that "${key}" has`, shown(ownRank), SAVE_AGAIN);
  }
  const alpha = stated(alphaField, 'alpha_pattern');
  return config.use_rslora === true ? alpha * Math.sqrt(rank) : alpha;
}

/**
 * The value of the first pattern that matches, as in PEFT (`get_pattern_key`): a regular expression for the end of a path,
 * starting at the beginning or after a dot. JavaScript moves keys that are integers to the front, so if one of them decides,
 * the order in the file is unknown.
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
    throw loraFault(where, `one pattern for "${path}"`, names, 'Keep one of them.');
  }
  return first?.[1];
}

function matches(pattern: string, path: string, where: string): boolean {
  if (/^[\w.]+$/.test(pattern)) return endsLike(pattern, path);
  // \A and \Z are anchors in Python, and letters in JavaScript. Nested repetitions may take forever.
  const isForeign = /\\[AZ]/.test(pattern);
  const repetitions = pattern.match(/[*+{]/g)?.length ?? 0;
  const isSlow = /\)[*+{]/.test(pattern) || repetitions > MOST_REPETITIONS || path.length > LONGEST_PATH;
  try {
    if (!isForeign && !isSlow) return new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(path);
  } catch {
    // Falls through to the fault below.
  }
  const expected = isSlow
    ? `patterns without repeated groups and with at most ${MOST_REPETITIONS} repetitions, for paths of up to ${LONGEST_PATH} letters`
    : 'patterns that are regular expressions';
  throw loraFault(where, expected, `"${shortened(pattern)}"`, SAVE_AGAIN);
}

/** Matches like the regular expression, for a pattern whose only special character is the dot. */
function endsLike(pattern: string, path: string): boolean {
  const start = path.length - pattern.length;
  if (start < 0 || (start > 0 && path[start - 1] !== '.')) return false;
  return [...pattern].every((letter, i) => letter === '.' || letter === path[start + i]);
}

/** Fields that must be unset, and what they would add. */
const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  modules_to_save: 'layers that were trained in full',
  layer_replication: 'layers that occur several times',
  megatron_config: 'layers that are split over devices',
  trainable_token_indices: 'token embeddings',
  alora_invocation_tokens: 'an adapter that certain tokens turn on',
  target_parameters: 'parameters beside the weights of layers',
  arrow_config: 'a choice among several adapters',
  kasa_config: 'another base model, and a matrix between A and B',
  monteclora_config: 'random matrices beside A and B',
};
/** Initializations that leave the base model unchanged. The others subtract A and B from its weights, or quantize them. */
const STARTS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal'];

/**
 * Rejects what neither W + (alpha / rank) B A nor one of `otherLayers` expresses. `fan_in_fan_out` is allowed: no layer of a UNet has a transposed weight,
 * so PEFT corrects the setting.
 *
 * Errors: TRIB_LORA, naming the field.
 * @param present what the file's tensors are: magnitudes of DoRA and biases of B may be asked for where they are there.
 */
export function requireKnownFormula(
  config: PeftConfig,
  place: (field: string) => string,
  present: ReadonlySet<Part>,
): void {
  const refuse = (field: string, expected: string, why: string) => {
    throw loraFault(place(field), expected, `${shown(config[field])}${why && `: ${why}`}`, MERGE);
  };
  const kind = kindOf(config);
  if (!kind) refuse('peft_type', 'LORA, LOHA or LOKR', '');
  else if ('peft_type' in config && ![...present].some((part) => kind.tensor.test(part)))
    refuse('peft_type', 'the kind of the tensors', 'there are none of that kind');
  if ((config.bias ?? 'none') !== 'none') refuse('bias', '"none"', 'biases that were trained too');
  if (config.lora_bias === true && !present.has('bias')) refuse('lora_bias', 'false', 'a bias of B');
  if (!STARTS.includes(config.init_lora_weights))
    refuse('init_lora_weights', 'a start that leaves the base model unchanged', '');
  for (const field of Object.keys(config)) {
    // DoRA, QA-LoRA and future variants each have a field of this kind.
    const isKnown =
      kind === KINDS.LORA
        ? field === 'use_rslora' || (field === 'use_dora' && present.has('magnitude'))
        : // Says how the kernels of convolutions are stored, which their shapes show.
          field === 'use_effective_conv2d';
    if (field.startsWith('use_') && !isKnown && isSet(config[field]))
      refuse(field, 'false', 'a formula that is not known');
  }
  for (const [field, why] of Object.entries(FOREIGN_FIELDS)) {
    if (isSet(config[field])) refuse(field, 'null', why);
  }
}

const isSet = (value: unknown) =>
  value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);

const shown = (value: unknown) => shortened(JSON.stringify(value) ?? 'nothing');

const shortened = (text: string) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
