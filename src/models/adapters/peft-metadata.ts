/**
 * @file `lora_adapter_metadata`: PEFT's LoraConfig under a component's prefix, as JSON in the header of a safetensors file.
 * diffusers 0.34 and newer reads alpha there, and takes the rank for alpha where it is missing.
 */
import { z } from 'zod';
import { type LoraLayer, loraFault } from './lora-layer.js';

export const PEFT_METADATA = 'lora_adapter_metadata';
const SAVE_AGAIN = 'Save the adapter again with its metadata, or without any.';

/** LoraConfig of every component, with the first layer's rank and alpha for all, and patterns where others differ. */
export function peftMetadata(layers: readonly LoraLayer[]): string {
  const components = new Map<string, LoraLayer[]>();
  for (const layer of layers) {
    const component = layer.key.slice(0, layer.key.indexOf('.'));
    components.set(component, [...(components.get(component) ?? []), layer]);
  }
  const config: Record<string, unknown> = {};
  for (const component of [...components.keys()].sort()) {
    const own = components.get(component) ?? [];
    const [first] = own;
    const path = ({ key }: LoraLayer) => key.slice(component.length + 1);
    const others = (value: (layer: LoraLayer) => number) =>
      Object.fromEntries(
        own.flatMap((layer) =>
          value(layer) === (first && value(first)) ? [] : [[path(layer), value(layer)]],
        ),
      );
    const [ranks, alphas] = [others(({ rank }) => rank), others(({ alpha }) => alpha)];
    if (Object.keys(alphas).length > 0) config[`${component}.alpha_pattern`] = alphas;
    config[`${component}.bias`] = 'none';
    config[`${component}.lora_alpha`] = first?.alpha;
    config[`${component}.lora_dropout`] = 0;
    config[`${component}.r`] = first?.rank;
    if (Object.keys(ranks).length > 0) config[`${component}.rank_pattern`] = ranks;
    config[`${component}.target_modules`] = own.map(path).sort();
  }
  return JSON.stringify(config);
}

/** Gives the alpha of a layer, or undefined where the metadata does not say. */
export type AlphaOf = (key: string, rank: number) => number | undefined;

const configSchema = z.record(z.string(), z.unknown());
const patternSchema = z.record(z.string(), z.number());

/**
 * Reads the metadata. With `use_rslora` the scale is alpha / √rank, so the alpha of the same scale is alpha · √rank.
 *
 * Errors: TRIB_LORA if it does not parse, or (of the returned function) if a rank is not the one that the file has.
 */
export function readPeftMetadata(text: string | undefined, where: string): AlphaOf {
  if (text === undefined) return () => undefined;
  const config = parse(text, where);
  return (key, rank) => {
    const component = key.slice(0, key.indexOf('.'));
    const path = key.slice(component.length + 1);
    const at = (name: string) => `${where} ${component}.${name}`;
    const numberOf = (name: string, patterns: string): number | undefined => {
      const pattern = patternSchema.safeParse(config[`${component}.${patterns}`] ?? {});
      if (!pattern.success) throw loraFault(at(patterns), 'numbers by module', 'something else', SAVE_AGAIN);
      const own = Object.entries(pattern.data).find(([name]) => matches(name, path, at(patterns)))?.[1];
      const value = own ?? config[`${component}.${name}`];
      if (value === undefined || value === null) return undefined;
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      throw loraFault(at(name), 'a number', JSON.stringify(value).slice(0, 60), SAVE_AGAIN);
    };
    const ownRank = numberOf('r', 'rank_pattern') ?? rank;
    if (ownRank !== rank) {
      throw loraFault(at('r'), `the rank ${rank} that "${key}" has`, `${ownRank}`, SAVE_AGAIN);
    }
    const alpha = numberOf('lora_alpha', 'alpha_pattern');
    const byRoot = config[`${component}.use_rslora`] === true;
    return byRoot && alpha !== undefined ? alpha * Math.sqrt(rank) : alpha;
  };
}

/** PEFT's rule: a pattern is a regular expression for the end of a path, from a dot or the beginning on. */
function matches(pattern: string, path: string, where: string): boolean {
  try {
    return new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(path);
  } catch {
    throw loraFault(where, 'patterns that are regular expressions', `"${pattern}"`, SAVE_AGAIN);
  }
}

function parse(text: string, where: string): Readonly<Record<string, unknown>> {
  try {
    return configSchema.parse(JSON.parse(text));
  } catch {
    const got = `${text.length} characters that are not`;
    throw loraFault(`${where} ${PEFT_METADATA}`, 'an object in JSON', got, SAVE_AGAIN);
  }
}
