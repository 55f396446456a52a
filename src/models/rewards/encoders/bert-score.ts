/** @file BERTScore: how much of one sentence another one says, by embeddings of their tokens in context. */

import { cosine } from '../contract/features.js';

/** Embeddings of a sentence's tokens, each [D] and of length 1: its begin and its end stand around its words. */
export type TokenEmbeddings = readonly Float32Array[];

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
