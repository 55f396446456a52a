/** @file Tokenizers of reward models, which are of more kinds than those of pipelines. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as FileTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { loadTokenizer, type Tokenizer } from '../diffusion/tokenizer.js';
import { readJsonFile } from '../files/json-file.js';

/** A text as token ids: begin, words, end, padding. */
export interface TokenizedText {
  readonly ids: Int32Array;
  /** How many of them are more than padding. */
  readonly count: number;
}

export interface TextTokenizer {
  /**
   * Turns a text into ids.
   * @param length How many ids a graph takes: a text is padded to it, or cut off before the end token. Without it a text has the
   *   length that the tokenizer gives it.
   */
  encode(text: string, length?: number): TokenizedText;
}

/** Tokens at most where nobody says: what encoders of BERT's kind have positions for. */
const MAX_TOKENS = 512;

const configSchema = z.looseObject({
  // A pad token may stand as text or with its flags. transformers writes 1e30 for "no limit".
  model_max_length: z.number().nullish(),
  pad_token: z.union([z.string(), z.looseObject({ content: z.string() })]).nullish(),
});

/**
 * Loads a tokenizer: `tokenizer.json` with `tokenizer_config.json` where there is one, else the files of a pipeline's
 * tokenizer (`loadTokenizer`).
 *
 * Errors: TRIB_FILE or TRIB_MODEL where a file is missing, or is not what a tokenizer is made of.
 */
export async function loadTextTokenizer(folder: string): Promise<TextTokenizer> {
  const path = join(folder, 'tokenizer.json');
  return existsSync(path)
    ? fromTokenizerJson(path, join(folder, 'tokenizer_config.json'))
    : ofPipeline(loadTokenizer(folder));
}

/** The tokenizer of a pipeline, which gives every text the same length. */
export function ofPipeline(tokenizer: Tokenizer): TextTokenizer {
  // The empty text is begin and end alone, which says what the end token is, also where padding is the same token.
  const end = tokenizer.encode('')[1];
  return {
    encode(text) {
      const ids = tokenizer.encode(text);
      const last = end === undefined ? -1 : ids.indexOf(end, 1);
      return { ids, count: last < 0 ? ids.length : last + 1 };
    },
  };
}

async function fromTokenizerJson(path: string, configPath: string): Promise<TextTokenizer> {
  const faults = { code: 'TRIB_MODEL', nextStep: 'Copy the file from the model it belongs to.' } as const;
  const content = await readJsonFile(path, z.looseObject({}), faults);
  const config = await readJsonFile(configPath, configSchema, faults);
  const { pad_token: pad, model_max_length: most } = config;
  let tokenizer: FileTokenizer;
  try {
    tokenizer = new FileTokenizer(content, config);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError(
      'TRIB_MODEL',
      `${path}: expected a tokenizer, got "${got}". ${faults.nextStep}`,
      { cause },
    );
  }
  const padToken = typeof pad === 'object' ? pad?.content : pad;
  const padId = (padToken && tokenizer.token_to_id(padToken)) || 0;
  return {
    encode(text, length) {
      const limit = length ?? Math.min(most ?? MAX_TOKENS, MAX_TOKENS);
      const whole = tokenizer.encode(text).ids;
      const kept = whole.length <= limit ? whole : [...whole.slice(0, limit - 1), ...whole.slice(-1)];
      const ids = new Int32Array(length ?? kept.length).fill(padId);
      ids.set(kept);
      return { ids, count: kept.length };
    },
  };
}
