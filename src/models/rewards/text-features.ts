/** @file The text half of a dual encoder: a vector of length 1 for a prompt, kept for the next time. */

import type { Executable, Provider } from '../engines/engine.js';
import { unitRows } from './features.js';
import { floatOutput } from './float-ports.js';
import { portOf, requirePorts } from './ports.js';
import type { TextTokenizer } from './text-tokenizer.js';
import { tokenFeeds, tokensFor } from './token-feeds.js';

/** Most prompts whose features are kept; the longest unused goes first. */
const FEATURES_KEPT = 1024;

export interface TextFeatures {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  /** text_embeds [D] of a prompt, of length 1. */
  of(prompt: string): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Features by a graph input_ids (and attention_mask, where it has one) -> text_embeds.
 * @throws TRIB_MODEL where it has other ports.
 */
export function textFeatures(text: Executable, label: string, tokenizer: TextTokenizer): TextFeatures {
  requirePorts(text, label, { inputs: ['input_ids'], outputs: ['text_embeds'] });
  const port = portOf(text, 'input_ids');
  const known = new Map<string, Float32Array>();
  return {
    provider: text.provider,
    fallbacks: text.fallbacks,
    async of(prompt) {
      const found = known.get(prompt);
      known.delete(prompt);
      const features = found ?? (await run(prompt));
      known.set(prompt, features);
      const [oldest] = known.keys();
      if (known.size > FEATURES_KEPT && oldest !== undefined) known.delete(oldest);
      return features;
    },
    release: () => text.release(),
  };

  async function run(prompt: string): Promise<Float32Array> {
    const outputs = await text.run(tokenFeeds(tokensFor(tokenizer, prompt, port), text.inputs));
    const [features = new Float32Array()] = unitRows(floatOutput(outputs, 'text_embeds'), 1);
    return features;
  }
}
