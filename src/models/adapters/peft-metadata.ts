/**
 * @file The places of PEFT's LoraConfig. `lora_adapter_metadata` is JSON in the header of a safetensors file, with a prefix per
 * component; diffusers 0.34 and newer reads alpha there, or takes the rank if it is missing. `adapter_config.json` lies
 * beside the file of a bare PEFT model, which does not contain alpha itself.
 */
import * as z from 'zod';
import { at } from '../../at.js';
import { type LoraLayer, loraFault } from './lora-layer.js';
import { type PeftConfig, peftAlpha, requireKnownFormula } from './peft-config.js';
import type { Part } from './tensor-names.js';

export const PEFT_METADATA = 'lora_adapter_metadata';
const SAVE_AGAIN = 'Save the adapter again with the configuration that it was trained with.';
const configSchema = z.record(z.string(), z.unknown());

/** The LoraConfig of every component: the rank and alpha of its first layer, and patterns for layers that differ. */
export function peftMetadata(layers: readonly LoraLayer[]): string {
  const components = new Map<string, LoraLayer[]>();
  for (const layer of layers) {
    const component = layer.key.slice(0, layer.key.indexOf('.'));
    components.set(component, [...(components.get(component) ?? []), layer]);
  }
  const config: Record<string, unknown> = {};
  for (const component of [...components.keys()].sort()) {
    const own = components.get(component) as LoraLayer[];
    const first = at(own, 0);
    // Text encoders of transformers 5 may lack `text_model`. diffusers corrects the names of tensors and not these, for which
    // PEFT takes the ends of paths.
    const path = ({ key }: LoraLayer) => key.slice(component.length + 1).replace(/^text_model\./, '');
    const others = (value: (layer: LoraLayer) => number) =>
      Object.fromEntries(
        own.flatMap((layer) => (value(layer) === value(first) ? [] : [[path(layer), value(layer)]])),
      );
    const [ranks, alphas] = [others(({ rank }) => rank), others(({ alpha }) => alpha)];
    if (Object.keys(alphas).length > 0) config[`${component}.alpha_pattern`] = alphas;
    config[`${component}.bias`] = 'none';
    config[`${component}.lora_alpha`] = first.alpha;
    config[`${component}.lora_dropout`] = 0;
    config[`${component}.r`] = first.rank;
    if (Object.keys(ranks).length > 0) config[`${component}.rank_pattern`] = ranks;
    config[`${component}.target_modules`] = own.map(path).sort();
  }
  return JSON.stringify(config);
}

/** Returns the alpha of a layer; undefined if nothing states it. */
type AlphaOf = (key: string, rank: number) => number | undefined;
/** The same, or the whole scale where no tensor shows the rank. */
type AlphaOrScaleOf = (key: string, rank: number | null) => number;

/**
 * Reads the metadata: a LoraConfig for every component that it names.
 *
 * Errors: TRIB_LORA if it does not parse; the returned function throws as `peftAlpha` and `requireKnownFormula`.
 */
export function readPeftMetadata(
  text: string | undefined,
  where: string,
  present: ReadonlySet<Part>,
): AlphaOf {
  if (text === undefined) return () => undefined;
  const fields = Object.entries(parse(text, `${where} ${PEFT_METADATA}`));
  const configs = new Map<string, PeftConfig>();
  const configOf = (component: string): PeftConfig => {
    const own = fields.flatMap(([name, value]) =>
      name.startsWith(`${component}.`) ? [[name.slice(component.length + 1), value]] : [],
    );
    const config = configs.get(component) ?? Object.fromEntries(own);
    if (!configs.has(component))
      requireKnownFormula(config, (field) => `${where} ${component}.${field}`, present);
    configs.set(component, config);
    return config;
  };
  return (key, rank) => {
    const component = key.slice(0, key.indexOf('.'));
    const config = configOf(component);
    if (Object.keys(config).length === 0) return undefined;
    return peftAlpha(config, key, rank, (field) => `${where} ${component}.${field}`);
  };
}

/** The `adapter_config.json` that PEFT writes beside `adapter_model.safetensors`. */
export interface PeftConfigFile {
  readonly path: string;
  readonly text: string;
}

/** Reads `adapter_config.json`, which describes one model of any component. Errors: TRIB_LORA, naming the file. */
export function readPeftConfig(
  { path: file, text }: PeftConfigFile,
  present: ReadonlySet<Part>,
): AlphaOrScaleOf {
  const config = parse(text, file);
  requireKnownFormula(config, (field) => `${file} ${field}`, present);
  return (key, rank) => peftAlpha(config, key, rank, (field) => `${file} ${field}`);
}

function parse(text: string, where: string): PeftConfig {
  try {
    return configSchema.parse(JSON.parse(text));
  } catch {
    throw loraFault(where, 'an object in JSON', `${text.length} characters that are not`, SAVE_AGAIN);
  }
}
