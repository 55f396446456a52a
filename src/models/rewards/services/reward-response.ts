/** @file What a reward service answers, and in which words it is refused. docs/rewards.md is its other side. */
import { type AnswerFault, readScoredAnswer, type ScoredAnswer } from './scored-answer.js';
import type { Quote } from './value-in-words.js';

/** Reads an answer about `count` pictures; returns what is wrong with it where something is. */
export function readRewardResponse(text: string, count: number, quote: Quote): ScoredAnswer | AnswerFault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { expected: 'JSON', got: quote(text) };
  }
  return readScoredAnswer(value, { count, vectors: 'embeddings', isListAllowed: false, quote });
}
