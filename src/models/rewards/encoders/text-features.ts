/** @file The text half of a dual encoder: a vector of length 1 for a prompt, which is cached. */

import { at } from '../../../at.js';
import type { Executable, Port } from '../../engines/contract/engine.js';
import { portNamed, requireKnownInputs } from './exported-graph.js';
import { featureRows } from './float-ports.js';
import type { TextTokenizer } from './text-tokenizer.js';
import { TOKEN_INPUTS, tokenFeeds, tokensFor } from './token-feeds.js';

/** Most prompts in the cache; the least recently used is dropped first. */
const FEATURES_KEPT = 1024;

interface TextFeatures extends Pick<Executable, 'provider' | 'fallbacks' | 'sessionThreads' | 'release'> {
  /** The output that they are. */
  readonly output: Port;
  /** text_embeds [D] of a prompt, of length 1. */
  of(prompt: string): Promise<Float32Array>;
}

/**
 * Returns features by a graph input_ids (and attention_mask, if it has one) -> text_embeds, or with one input and one output
 * of other names.
 *
 * Errors: TRIB_MODEL if it has other ports.
 */
export function textFeatures(text: Executable, label: string, tokenizer: TextTokenizer): TextFeatures {
  const port = portNamed(text, label, 'inputs', 'input_ids');
  const output = portNamed(text, label, 'outputs', 'text_embeds');
  if (port.name === 'input_ids') requireKnownInputs(text, label, TOKEN_INPUTS);
  const known = new Map<string, Float32Array>();
  return {
    provider: text.provider,
    fallbacks: text.fallbacks,
    sessionThreads: text.sessionThreads,
    output,
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
    const outputs = await text.run(tokenFeeds(tokensFor(tokenizer, prompt, port), text.inputs, port));
    return at(featureRows(outputs, output.name, 1, label), 0);
  }
}
