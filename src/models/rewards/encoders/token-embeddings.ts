/** @file Vectors of a sentence's tokens in context, and BERTScore: how much of one sentence another one says. */

import { join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import type { Engine, Executable } from '../../engines/contract/engine.js';
import { cosine, unitRows } from '../contract/features.js';
import { openGraph, portOf, requireKnownInputs, requirePorts } from './exported-graph.js';
import { floatOutput } from './float-ports.js';
import { loadTextTokenizer } from './text-tokenizer.js';
import { TOKEN_INPUTS, tokenFeeds, tokensFor } from './token-feeds.js';

/** Embeddings of a sentence's tokens, each [D] and of length 1: its begin and its end stand around its words. */
type TokenEmbeddings = readonly Float32Array[];

interface TokenEncoder extends Pick<Executable, 'provider' | 'fallbacks' | 'sessionThreads' | 'release'> {
  embed(text: string): Promise<TokenEmbeddings>;
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
    sessionThreads: graph.sessionThreads,
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
      return unitRows(floatOutput(outputs, 'last_hidden_state'), ids.length).slice(0, count);
    },
    release: () => graph.release(),
  };
}

/**
 * R = 1/|x| Σ_{x_i in x} max_{y_j in y} x_iᵀ y_j (Zhang et al. 2020, equation 1), x the reference and y the candidate.
 *
 * As in the package bert_score, begin and end of the reference are not counted, those of the candidate may be matched, and
 * there are neither idf weights nor a rescaling. Where either has no words, recall is 0, so that silence earns nothing.
 */
export function bertScoreRecall(reference: TokenEmbeddings, candidate: TokenEmbeddings): number {
  const words = reference.slice(1, -1);
  if (words.length === 0 || candidate.length <= 2) return 0;
  const best = words.map((word) => Math.max(...candidate.map((other) => cosine(word, other))));
  return best.reduce((sum, value) => sum + value, 0) / words.length;
}
