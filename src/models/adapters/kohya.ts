/**
 * @file Adapter files in the style of kohya's trainers: the names of modules, the metadata, and what diffusers does not read
 * of them.
 */
import { at } from '../../at.js';
import { DENOISER_NAMES, isOfDenoiser, UNET_NAMES } from './component-names.js';
import { type LoraLayer, someOf } from './lora-layer.js';
import { UNDERSCORED_SGM_NAMES } from './sgm-names.js';

/** Components of a pipeline by kohya's prefix. `lora_te` is the only text encoder, `lora_te1` the first of two. */
export const KOHYA_COMPONENTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    DENOISER_NAMES.flatMap(({ kohyaPrefix, component }) => (kohyaPrefix ? [[kohyaPrefix, component]] : [])),
  ),
  lora_te: 'text_encoder',
  lora_te1: 'text_encoder',
  lora_te2: 'text_encoder_2',
  // SimpleTuner's, for any network.
  lycoris: UNET_NAMES.component,
};
const PREFIXED = new RegExp(`^(${Object.keys(KOHYA_COMPONENTS).join('|')})_(.+)$`);

/** Names of modules that contain an underscore, of denoisers and of CLIPTextModel. */
const NAMES_WITH_UNDERSCORES = [
  ...DENOISER_NAMES.flatMap(({ underscoredNames }) => underscoredNames),
  ...UNDERSCORED_SGM_NAMES,
  ...['text_model', 'self_attn', 'q_proj', 'k_proj', 'v_proj', 'out_proj', 'text_projection'],
].map((name) => name.split('_'));

/**
 * `lora_unet_mid_block_attentions_0_proj_in` -> `unet.mid_block.attentions.0.proj_in`; undefined if the prefix is unknown. An
 * underscore may stand for a dot or belong to a name; the names that diffusers gives its modules tell which.
 */
export function fromKohya(name: string): string | undefined {
  const [, prefix, rest] = PREFIXED.exec(name) ?? [];
  if (prefix === undefined || rest === undefined) return undefined;
  return `${KOHYA_COMPONENTS[prefix]}.${pathOf(rest.split('_'))}`;
}

/**
 * The inverse of `fromKohya`; undefined if the name would not convert back to the same key.
 * @param hasTwoEncoders whether the model has two text encoders (SDXL), and the first is called `lora_te1`.
 */
export function toKohya(key: string, hasTwoEncoders = false): string | undefined {
  const [component, ...path] = key.split('.');
  const found = Object.entries(KOHYA_COMPONENTS).find(([, name]) => name === component)?.[0];
  const prefix = hasTwoEncoders && found === 'lora_te' ? 'lora_te1' : found;
  const name = `${prefix}_${path.join('_')}`;
  return fromKohya(name) === key ? name : undefined;
}

/** Joins the words of a known name, the longest that fits; every other word is a name of its own. */
function pathOf(words: readonly string[]): string {
  const path: string[] = [];
  let start = 0;
  while (start < words.length) {
    const lengths = NAMES_WITH_UNDERSCORES.filter((name) =>
      name.every((word, i) => words[start + i] === word),
    );
    const length = Math.max(1, ...lengths.map((name) => name.length));
    path.push(words.slice(start, start + length).join('_'));
    start += length;
  }
  return path.join('.');
}

/** Width of the prompt embeddings of Stable Diffusion 1.x, which identifies its adapters. */
const WIDTH_OF_SD_V1 = 768;

/**
 * Returns the fields that sd-scripts always writes (SS_METADATA_MINIMUM_KEYS in its library/train_util.py), and ModelSpec
 * 1.0.1. No date, so that equal adapters give equal bytes. Names the base model if it is known.
 *
 * @param title `modelspec.title`: a name for people.
 * @param modelHash SHA-256 of the tensors' bytes, in hex.
 */
export function kohyaMetadata(
  layers: readonly LoraLayer[],
  { title, modelHash }: { readonly title: string; readonly modelHash: string },
): Record<string, string> {
  const isWide = ({ kernel }: LoraLayer) => kernel?.some((size) => size > 1) ?? false;
  const first = layers.find((layer) => !isWide(layer)) ?? at(layers, 0);
  const wide = layers.find(isWide);
  const isV1 = embedsWidth(layers) === WIDTH_OF_SD_V1;
  return {
    format: 'pt',
    ss_network_module: 'networks.lora',
    ss_network_dim: `${first.rank}`,
    ss_network_alpha: `${first.alpha}`,
    ss_network_args: JSON.stringify(wide ? { conv_dim: `${wide.rank}`, conv_alpha: `${wide.alpha}` } : {}),
    ...(isV1 && { ss_base_model_version: 'sd_v1', ss_v2: 'False' }),
    sshs_model_hash: modelHash,
    'modelspec.sai_model_spec': '1.0.1',
    ...(isV1 && { 'modelspec.architecture': 'stable-diffusion-v1/lora' }),
    'modelspec.implementation': 'diffusers',
    'modelspec.title': title,
  };
}

/** Width of what cross-attention reads; undefined if no such layer is adapted. */
function embedsWidth(layers: readonly LoraLayer[]): number | undefined {
  const layer = layers.find(({ key }) => isOfDenoiser(key) && /\.attn2\.to_[kv]$/.test(key));
  return layer && layer.loraA.length / layer.rank;
}

/** Projections whose names diffusers converts to those of attention processors, and then does not find. */
const ATTENTION = /\.attn\d\.(to_[qkv]|to_out\.0)$/;

/**
 * Says which layers have a different strength in diffusers; null if none has. diffusers 0.42.1 gives every layer the most
 * frequent alpha in the file, then corrects the layers that have a different one, except those of attention.
 */
export function alphasThatDiffusersLoses(layers: readonly LoraLayer[]): string | null {
  const counts = new Map<number, number>();
  for (const { alpha } of layers) counts.set(alpha, (counts.get(alpha) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const frequent = [...counts].filter(([, count]) => count === most).map(([alpha]) => alpha);
  // If several are equally frequent, the order of the tensors decides.
  const lost = layers.filter(
    ({ key, alpha }) => ATTENTION.test(key) && frequent.some((other) => other !== alpha),
  );
  if (lost.length === 0) return null;
  return (
    `diffusers 0.42.1 does not read the alpha of attention layers in the style of kohya: it takes ${frequent.join(' or ')}, the most frequent in the file, ` +
    `for ${lost.length} with another: ${someOf(lost.map(({ key, alpha }) => `${key} (${alpha})`))}. ` +
    'ComfyUI and AUTOMATIC1111 read each of them. For diffusers, write it with --format peft.'
  );
}

const PROJECTION = /\.self_attn\.(q|k|v|out)_proj$/;

/**
 * Says which layers diffusers does not load; null if it loads all. diffusers 0.42.1 finds the queries, keys and values of a text
 * encoder only where the file has an output projection of the same encoder (findings/text-encoder-out-proj.sh).
 */
export function layersThatDiffusersLoses(layers: readonly LoraLayer[]): string | null {
  const projections = layers.filter(({ key }) => !isOfDenoiser(key) && PROJECTION.test(key));
  const encoderOf = ({ key }: LoraLayer) => key.slice(0, key.indexOf('.'));
  const whole = new Set(projections.filter(({ key }) => key.endsWith('.out_proj')).map(encoderOf));
  const lost = projections.filter((layer) => !whole.has(encoderOf(layer)));
  if (lost.length === 0) return null;
  return (
    'diffusers 0.42.1 does not load queries, keys and values of a text encoder in the style of kohya where the file has no out_proj ' +
    `of it: ${lost.length} layers here, such as ${someOf(lost.map(({ key }) => key))}. ` +
    'ComfyUI and AUTOMATIC1111 read them. For diffusers, write it with --format peft.'
  );
}
