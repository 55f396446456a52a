/** @file The tokenizer of the shapes model: every word is a token, and a word outside the vocabulary is an error. */

import { join } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import type { Tokenizer, TokenVectors } from './tokenizer-contract.js';
import { modelFault, promptLength, readJson } from './tokenizer-files.js';

const vocabSchema = z.record(z.string(), z.int().nonnegative());

const configSchema = z.object({
  tokenizer_class: z.string(),
  model_max_length: promptLength,
  bos_token: z.string(),
  eos_token: z.string(),
  pad_token: z.string(),
  unk_token: z.string(),
});

/** The content of a word tokenizer's `tokenizer_config.json`, with the keys of Hugging Face. */
export type WordTokenizerConfig = z.infer<typeof configSchema>;

export const WORD_TOKENIZER_CLASS = 'WordTokenizer';

/**
 * Loads the `tokenizer/` folder of a pipeline: `vocab.json` (token to id) and `tokenizer_config.json`.
 *
 * Departure from Hugging Face: an unknown word is an error, not `unk_token`; a misspelled prompt should be corrected, not
 * trained on. The unknown token keeps its id for other programs that read the folder.
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if its content is not as described above.
 */
export function loadWordTokenizer(folder: string) {
  const configPath = join(folder, 'tokenizer_config.json');
  const vocabPath = join(folder, 'vocab.json');
  const config = readJson(configPath, configSchema);
  const vocab = new Map(Object.entries(readJson(vocabPath, vocabSchema)));
  const ids = new Set(vocab.values());
  const highest = [...ids].reduce((a, b) => Math.max(a, b), 0);
  if (ids.size !== vocab.size || highest !== vocab.size - 1) {
    const got = `${ids.size} ids up to ${highest}`;
    throw modelFault(vocabPath, 'ids', `0 to ${vocab.size - 1}, each once`, got);
  }
  const specialTokens = [config.bos_token, config.eos_token, config.pad_token, config.unk_token];
  const specialId = (token: string): number => {
    const id = vocab.get(token);
    if (id === undefined)
      throw modelFault(vocabPath, 'tokens', `the special token "${token}"`, 'none of that name');
    return id;
  };
  const [bosId, eosId, padTokenId] = specialTokens.map(specialId) as [number, number, number, number];
  const words = [...vocab.keys()].filter((token) => !specialTokens.includes(token));
  return {
    modelMaxLength: config.model_max_length,
    vocabSize: vocab.size,
    padTokenId,
    addedTokens: new Map<string, number>(),
    withTokens([inversion]: readonly TokenVectors[]): Tokenizer {
      if (inversion === undefined) return this;
      const got = `${folder}, whose tokenizer is a ${WORD_TOKENIZER_CLASS}`;
      const text = `${inversion.path}: expected a model with a tokenizer of CLIP, which textual inversions are made for, got ${got}. Leave the file out.`;
      throw new TributaryError('TRIB_MODEL', text);
    },
    encode(text: string): Int32Array {
      const prompt = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
      if (prompt.length > config.model_max_length - 2) {
        throw new TributaryError(
          'TRIB_PROMPT',
          `prompt "${text}": expected at most ${config.model_max_length - 2} words, got ${prompt.length}. Shorten it.`,
        );
      }
      const encoded = new Int32Array(config.model_max_length).fill(padTokenId);
      encoded[0] = bosId;
      for (const [index, word] of prompt.entries()) {
        const id = specialTokens.includes(word) ? undefined : vocab.get(word);
        if (id === undefined) {
          throw new TributaryError(
            'TRIB_PROMPT',
            `prompt "${text}" word ${index + 1}: expected a word of the model's vocabulary, got "${word}". ${wordsNear(word, words)}`,
          );
        }
        encoded[index + 1] = id;
      }
      encoded[prompt.length + 1] = eosId;
      return encoded;
    },
  };
}

/** Words that a fault lists. */
const MOST_LISTED = 40;

/** The word that was probably meant, up to 2 edits away, or all that there are. */
function wordsNear(word: string, words: readonly string[]): string {
  const nearest = closest(word, words);
  const edits = distance(word, nearest);
  if (edits <= 2 && edits < word.length) return `Did you mean "${nearest}"?`;
  const more = words.length > MOST_LISTED ? ' and more' : '';
  return `It knows ${words.slice(0, MOST_LISTED).join(', ')}${more}.`;
}
