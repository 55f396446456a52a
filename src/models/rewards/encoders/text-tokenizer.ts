/** @file Tokenizers of reward models, which are of more kinds than those of pipelines. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Tokenizer as FileTokenizer } from '@huggingface/tokenizers';
import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import { readJsonFile } from '../../files/json-file.js';
import { CLIP_SPECIAL_TOKENS, CLIP_TOKENIZER_CLASSES } from '../../pipeline/tokenizers/clip-tokenizer.js';
import { readSpecialTokens } from '../../pipeline/tokenizers/special-tokens.js';
import { loadTokenizer } from '../../pipeline/tokenizers/tokenizer.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer-contract.js';
import { MAX_TOKEN_ID } from '../../pipeline/tokenizers/tokenizer-files.js';

/** A text as token ids: begin, words, end, padding. */
export interface TokenizedText {
  readonly ids: Int32Array;
  /** Ids before the padding. */
  readonly count: number;
}

export interface TextTokenizer {
  /**
   * Turns a text into ids. With the `length` that a graph takes, the text is padded to it, or cut before the end token;
   * without, it has the length that the tokenizer gives it.
   */
  encode(text: string, length?: number): TokenizedText;
}

/** Most tokens by default: the positions of encoders like BERT. */
const MAX_TOKENS = 512;

const length = { error: 'expected a number of ids of at least 2' };
const configSchema = z.looseObject({
  // transformers writes 1e30 for "no limit".
  model_max_length: z.number(length).min(2, length).nullish(),
  padding_side: z.literal('right', { error: 'expected "right" (other sides are not offered)' }).nullish(),
});
const ids = { error: `expected an id of 0 to ${MAX_TOKEN_ID}` };
const id = z.int(ids).min(0, ids).max(MAX_TOKEN_ID, ids);
const fileSchema = z.looseObject({
  model: z.looseObject({ vocab: z.union([z.record(z.string(), id), z.array(z.unknown())], ids) }).optional(),
  added_tokens: z
    .array(
      z.looseObject({
        id,
        content: z.string({ error: 'expected a text' }),
        // tokenizers.js would find it inside words.
        single_word: z
          .literal(false, { error: 'expected false (single words are not looked for)' })
          .optional(),
      }),
      { error: 'expected a list of tokens' },
    )
    .optional(),
  normalizer: z.unknown().transform(sigmaByLetter).optional(),
  padding: z.looseObject({ pad_token: z.string().optional() }).nullish(),
});

/**
 * Lower-cases capital sigmas first: JavaScript turns one at the end of a word into another letter, and tokenizers, which go
 * letter by letter, do not.
 */
function sigmaByLetter(normalizer: unknown): unknown {
  const { success, data } = z
    .looseObject({ type: z.string(), normalizers: z.array(z.unknown()).optional() })
    .safeParse(normalizer);
  if (!success) return normalizer;
  if (data.normalizers) return { ...data, normalizers: data.normalizers.map(sigmaByLetter) };
  if (data.type !== 'Lowercase' && data.type !== 'BertNormalizer') return data;
  if (data.type === 'BertNormalizer' && data.lowercase !== true) return data;
  const small = { type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' };
  return { type: 'Sequence', normalizers: [small, data] };
}

/** The pad tokens of models like BERT and RoBERTa, whose older files do not name them. */
const USUAL_PADS = ['[PAD]', '<pad>'];

/**
 * Loads a tokenizer: `tokenizer.json` with `tokenizer_config.json` where there is one, else the files of a pipeline's
 * tokenizer (`loadTokenizer`). Padding is the token that `readSpecialTokens` finds (for CLIP's classes with
 * their defaults), else that of `padding` in `tokenizer.json`, else `[PAD]` or `<pad>` of the vocabulary.
 *
 * Errors: TRIB_FILE or TRIB_MODEL if a file is missing or is not part of a tokenizer.
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
  const content = await readJsonFile(path, fileSchema, faults);
  const config = await readJsonFile(configPath, configSchema, faults);
  const { model_max_length: most } = config;
  // The library looks at parts of the file when it first needs them.
  const asked = <Answer>(ask: () => Answer): Answer => {
    try {
      return ask();
    } catch (cause) {
      const got = cause instanceof Error ? cause.message : String(cause);
      const text = `${path}: expected a tokenizer, got "${got}". ${faults.nextStep}`;
      throw new TributaryError('TRIB_MODEL', text, { cause });
    }
  };
  const tokenizer = asked(() => new FileTokenizer(content, config));
  const isClip = CLIP_TOKENIZER_CLASSES.includes(String(config.tokenizer_class));
  const special = readSpecialTokens(dirname(path), isClip ? CLIP_SPECIAL_TOKENS : {});
  const named = special.named.get('pad_token') ?? content.padding?.pad_token;
  const padId = tokenizer.token_to_id(
    named ?? USUAL_PADS.find((pad) => tokenizer.token_to_id(pad) !== undefined) ?? '',
  );
  const requirePad = (): number => {
    if (padId !== undefined) return padId;
    throw new TributaryError(
      'TRIB_MODEL',
      `${path} pad_token: expected a token of the vocabulary, got ${JSON.stringify(named ?? null)}. Name one in special_tokens_map.json beside it.`,
    );
  };
  if (named) requirePad();
  return {
    encode(text, length) {
      const limit = length ?? Math.min(most ?? MAX_TOKENS, MAX_TOKENS);
      const whole = asked(() => tokenizer.encode(text).ids);
      const kept = whole.length <= limit ? whole : [...whole.slice(0, limit - 1), ...whole.slice(-1)];
      const ids = new Int32Array(length ?? kept.length);
      if (kept.length < ids.length) ids.fill(requirePad());
      ids.set(kept);
      return { ids, count: kept.length };
    },
  };
}
