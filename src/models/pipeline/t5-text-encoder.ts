/** @file The third text encoder of SD 3, T5: what it makes of a prompt. */

import { TributaryError } from '../../errors.js';
import { compileGraph } from '../engines/compile-graph.js';
import type { Engine } from '../engines/contract/engine.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { networkGraph, readNetworkWeights } from '../networks/network-weights.js';
import { T5_UNUSED, t5Encoder } from '../networks/t5-encoder.js';
import { float32Data } from '../tensor.js';
import { requireFinite } from './finite-numbers.js';
import type { T5OnDisk } from './t5-on-disk.js';
import { tokenIds } from './text-encoder.js';
import { loadT5Tokenizer } from './tokenizers/t5-tokenizer.js';

export interface T5TextEncoder {
  /** The last hidden state of a prompt, [tokens, width]. Errors: TRIB_PROMPT for one of more tokens. */
  embed(prompt: string): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Opens T5 for prompts of so many tokens.
 *
 * Errors: as `loadT5Tokenizer` and `readNetworkWeights`; TRIB_MODEL if the tokenizer has more tokens than the encoder.
 */
export async function openT5(engine: Engine, onDisk: T5OnDisk, tokens: number): Promise<T5TextEncoder> {
  const { modelPath: path, architecture } = onDisk;
  const tokenizer = loadT5Tokenizer(onDisk.tokenizer, tokens);
  if (tokenizer.vocabSize > architecture.vocabSize) {
    const text = `${onDisk.tokenizer}: expected at most ${architecture.vocabSize} tokens, as ${onDisk.component}/config.json says, got ${tokenizer.vocabSize}. Use the tokenizer that belongs to the text encoder.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  const weights = await openComponentWeights(path);
  try {
    const network = (layer: Parameters<typeof t5Encoder>[0]) => t5Encoder(layer, architecture, tokens);
    const read = await readNetworkWeights(network, weights, T5_UNUSED, engine.raises);
    const executable = await compileGraph(engine, networkGraph(network, read), { label: path });
    return {
      async embed(prompt) {
        const ids = tokenIds(tokenizer.encode(prompt), executable.inputs);
        const { last_hidden_state: states } = await executable.run({ input_ids: ids });
        const values = float32Data(states, 'last_hidden_state');
        requireFinite(values, 'embeddings', path);
        return values;
      },
      release: () => executable.release(),
    };
  } finally {
    await weights.close();
  }
}
