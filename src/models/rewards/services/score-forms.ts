/** @file The forms in which reward services take pictures and answer: ours, and those of servers that exist. */

import type { PromptMetadata } from '../../../prompt-metadata.js';
import {
  type AnswerFault,
  readRewardResponse,
  readScoredAnswer,
  type ScoredAnswer,
} from './scored-answer.js';
import { inWords, type Quote } from './value-in-words.js';

export const FORM_NAMES = ['tributary', 'batch', 'single'] as const;

export type FormName = (typeof FORM_NAMES)[number];

/** Pictures of one prompt, as PNG in base64. */
interface Posted {
  readonly prompt: string;
  readonly metadata?: PromptMetadata | undefined;
  readonly pngs: readonly string[];
}

interface ScoreForm {
  /** Most pictures that a request can hold. */
  readonly mostPictures: number;
  /** The key of the rewards in an answer, unless a config names another. */
  readonly scoreField: string;
  readonly bodyOf: (posted: Posted) => object;
  /** Reads the answer about so many pictures, or says what is wrong with it. */
  readonly read: (text: string, asked: Asked) => ScoredAnswer | AnswerFault;
}

interface Asked {
  readonly count: number;
  readonly scoreField: string;
  readonly quote: Quote;
}

export const SCORE_FORMS: Readonly<Record<FormName, ScoreForm>> = {
  tributary: {
    mostPictures: Number.POSITIVE_INFINITY,
    scoreField: 'rewards',
    // Absent without metadata: services that know of none get the request that they always got.
    bodyOf: ({ prompt, metadata, pngs }) => ({
      version: 1,
      prompt,
      ...(metadata && { metadata }),
      images: pngs,
    }),
    read: (text, { count, quote }) => readRewardResponse(text, count, quote),
  },
  // Flow-Factory, reward_server/example_server.py, POST /compute: a prompt for each picture.
  batch: {
    mostPictures: Number.POSITIVE_INFINITY,
    scoreField: 'rewards',
    bodyOf: ({ prompt, metadata, pngs }) => ({
      prompts: pngs.map(() => prompt),
      images: pngs,
      ...(metadata && { extra: metadata }),
    }),
    read: (text, asked) => readField(text, asked, (value) => value),
  },
  single: {
    mostPictures: 1,
    scoreField: 'score',
    bodyOf: ({ prompt, metadata, pngs: [image] }) => ({ prompt, image, ...(metadata && { metadata }) }),
    read: (text, asked) => readField(text, asked, (value) => [value]),
  },
};

function readField(
  text: string,
  { count, scoreField, quote }: Asked,
  listOf: (value: unknown) => unknown,
): ScoredAnswer | AnswerFault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { expected: 'JSON', got: quote(text) };
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, scoreField))
    return { expected: `a mapping with \`${scoreField}\``, got: inWords(value, quote) };
  const list = listOf((value as Readonly<Record<string, unknown>>)[scoreField]);
  if (!Array.isArray(list))
    return { expected: `a list of numbers at ${scoreField}`, got: inWords(list, quote) };
  return readScoredAnswer(list, { count, vectors: 'embeddings', isListAllowed: true, quote });
}
