/** @file A text encoder that gives every token of a sentence a vector. */

import { join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import type { Engine, Provider } from '../../engines/contract/engine.js';
import { unitRows } from '../contract/features.js';
import type { TokenEmbeddings } from './bert-score.js';
import { floatOutput } from './float-ports.js';
import { openGraph } from './open-graph.js';
import { portOf, requireKnownInputs, requirePorts } from './ports.js';
import { loadTextTokenizer } from './text-tokenizer.js';
import { TOKEN_INPUTS, tokenFeeds, tokensFor } from './token-feeds.js';

export interface TokenEncoder {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  embed(text: string): Promise<TokenEmbeddings>;
  release(): Promise<void>;
}

/**
 * Opens a folder with `model.onnx` (input_ids, and attention_mask and token_type_ids where it takes them ->
 * last_hidden_state) and the files of its tokenizer. Padding is cut off.
 */
export async function openTokenEncoder(engine: Engine, folder: string): Promise<TokenEncoder> {
  const label = join(folder, 'model.onnx');
  const tokenizer = await loadTextTokenizer(folder);
  const graph = await openGraph(engine, label);
  requirePorts(graph, label, { inputs: ['input_ids'], outputs: ['last_hidden_state'] });
  requireKnownInputs(graph, label, TOKEN_INPUTS);
  const port = portOf(graph, 'input_ids');
  return {
    provider: graph.provider,
    fallbacks: graph.fallbacks,
    async embed(text) {
      const tokens = tokensFor(tokenizer, text, port);
      const { ids, count } = tokens;
      const outputs = await graph.run(tokenFeeds(tokens, graph.inputs, port));
      const shape = outputs.last_hidden_state?.shape ?? [];
      if (shape.length !== 3 || shape[1] !== ids.length) {
        throw new TributaryError(
          'TRIB_MODEL',
          `${label} output "last_hidden_state": expected [1, ${ids.length}, D], got [${shape.join(', ')}]. Export the encoder without a head.`,
        );
      }
      const rows = unitRows(floatOutput(outputs, 'last_hidden_state'), ids.length);
      return rows.slice(0, count);
    },
    release: () => graph.release(),
  };
}
