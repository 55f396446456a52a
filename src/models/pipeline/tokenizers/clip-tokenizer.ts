/** @file CLIP's tokenizer, which the pipelines of Stable Diffusion use. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as WordPieces } from '@huggingface/tokenizers';
import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import { type AddedToken, addedTokenSplitter } from './added-tokens.js';
import { inversionTokens } from './inversion-tokens.js';
import { type DeclaredToken, readSpecialTokens, type SpecialTokens } from './special-tokens.js';
import type { Tokenizer, TokenVectors } from './tokenizer-contract.js';
import { MAX_TOKEN_ID, modelFault, NO_LIMIT, promptLength, readJson, readText } from './tokenizer-files.js';
import { compose, UNKNOWN_LETTERS } from './tokenizer-unicode.js';

export const CLIP_TOKENIZER_CLASSES: readonly string[] = ['CLIPTokenizer', 'CLIPTokenizerFast'];

const END = '<|endoftext|>';
/** The special tokens of CLIP where no file names them. */
export const CLIP_SPECIAL_TOKENS = {
  bos_token: '<|startoftext|>',
  eos_token: END,
  unk_token: END,
  pad_token: END,
};

/** Contractions, letters, single digits, and runs of anything else but blanks. */
const LETTER = `(?:(?![${UNKNOWN_LETTERS}])\\p{L})`;
const DIGIT = `(?:(?![${UNKNOWN_LETTERS}])\\p{N})`;
const OTHER = `(?:[^\\s\\p{L}\\p{N}]|[${UNKNOWN_LETTERS}])`;
const PIECE = `'s|'t|'re|'ve|'m|'ll|'d|${LETTER}+|${DIGIT}|${OTHER}+`;

/** The length of CLIP, for which every denoiser here was trained, where the file has no limit, which diffusers cannot pad to. */
export const PROMPT_LENGTH = 77;
const configSchema = z.object({
  model_max_length: z.preprocess(
    (length) =>
      typeof length === 'number' && length >= NO_LIMIT ? PROMPT_LENGTH : (length ?? PROMPT_LENGTH),
    promptLength,
  ),
});
const vocabSchema = z.record(z.string(), z.int().min(0).max(MAX_TOKEN_ID));
const mergesSchema = z.array(z.union([z.string(), z.tuple([z.string(), z.string()])]));
const fastSchema = z.object({
  model: z.object({ type: z.literal('BPE'), vocab: vocabSchema, merges: mergesSchema }),
});

export interface Vocabulary {
  /** The file that holds it, for messages. */
  readonly path: string;
  readonly ids: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
}

/**
 * Loads a CLIP tokenizer as `CLIPTokenizer` of transformers 5.24.0 does: byte-pair encoding over the bytes of composed,
 * lower-case words, with `</w>` after the last byte. Vocabulary and merges are those of `tokenizer.json`, else of `vocab.json`
 * and `merges.txt`; normalization and splitting are CLIP's own, whatever `tokenizer.json` says. Special and added tokens:
 * `readSpecialTokens`, `addedTokenSplitter`. Where a prompt has the first token of a textual inversion of several vectors
 * (`<cat>`, `<cat>_1`, ...), it gets all of them, as in diffusers.
 *
 * `CLIPTokenizer` of transformers 4.57.3 is other code (`CLIPTokenizerFast` is not): it removes control characters, puts
 * blanks around Chinese characters, ends a Greek word with a final sigma, and looks for added tokens in the text as it
 * stands. On other texts the two agree.
 *
 * Departures from transformers: without a limit of length or a token to pad with, where diffusers fails, texts have 77 ids
 * and are padded with the end of text. A text of more tokens than the model takes is an error; cut off, the model would be trained
 * on a part of the prompt and rewarded for the whole. An added token whose id in the files is not the one that 5.24.0 gives
 * it (that of its text in the vocabulary, or the next free one) is an error, because 4.57.3 follows the files.
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if its content is not as described above.
 */
export function loadClipTokenizer(folder: string): Tokenizer {
  const configPath = join(folder, 'tokenizer_config.json');
  const { model_max_length: modelMaxLength } = existsSync(configPath)
    ? readJson(configPath, configSchema)
    : { model_max_length: PROMPT_LENGTH };
  const vocabulary = readVocabulary(folder);
  const special = readSpecialTokens(folder, CLIP_SPECIAL_TOKENS);
  const path = join(folder, 'special_tokens_map.json');
  return clipTokenizer(vocabulary, special, { modelMaxLength, path });
}

/**
 * Returns the tokenizer of a vocabulary.
 * @param path the file that names special tokens, for messages.
 */
export function clipTokenizer(
  vocabulary: Vocabulary,
  { named, tokens }: SpecialTokens,
  { modelMaxLength, path }: { modelMaxLength: number; path: string },
): Tokenizer {
  const added = withIds(tokens, vocabulary);
  const idOf = (key: keyof typeof CLIP_SPECIAL_TOKENS): number => {
    // Null is no token to pad with, and diffusers pads every prompt.
    const content = named.get(key) ?? (key === 'pad_token' ? CLIP_SPECIAL_TOKENS.pad_token : null);
    const id = content ? (added.get(content)?.id ?? vocabulary.ids[content]) : undefined;
    if (id !== undefined) return id;
    throw modelFault(path, key, 'a token', JSON.stringify(content ?? null));
  };
  const [startId, endId, padTokenId] = [idOf('bos_token'), idOf('eos_token'), idOf('pad_token')];
  const encodeWords = wordEncoder(vocabulary, named.get('unk_token') ?? END, idOf('unk_token'));
  const splitter = addedTokenSplitter([...added.values()], normalize);
  const idsOf = (text: string): number[] =>
    splitter
      .split(text)
      .flatMap((part) => (typeof part === 'string' ? encodeWords(part) : vectorsOf(part, added)));
  const most = modelMaxLength - 2;
  let [longest, highest] = [1, 0];
  const addedTokens = new Map([...added].map(([content, { id }]) => [content, id]));
  for (const [text, id] of [...Object.entries(vocabulary.ids), ...addedTokens]) {
    longest = Math.max(longest, text.length);
    highest = Math.max(highest, id);
  }
  return {
    modelMaxLength,
    vocabSize: highest + 1,
    addedTokens,
    padTokenId,
    withTokens(inversions: readonly TokenVectors[]) {
      const isThere = (token: string) => added.has(token) || Object.hasOwn(vocabulary.ids, token);
      const more = inversionTokens(inversions, isThere, most);
      const all = { named, tokens: [...tokens, ...more] };
      return more.length === 0 ? this : clipTokenizer(vocabulary, all, { modelMaxLength, path });
    },
    encode(text: string): Int32Array {
      // Composed or not, no token stands for more characters than this: a longer text is not even split.
      const hopeless = text.replace(/\s/g, '').length > 3 * most * longest;
      const ids = hopeless ? null : idsOf(text);
      if (!ids || ids.length > most) {
        const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
        throw new TributaryError(
          'TRIB_PROMPT',
          `prompt "${shown}": expected at most ${most} tokens, got ${ids ? ids.length : `${text.length} characters`}. Shorten it.`,
        );
      }
      const encoded = new Int32Array(modelMaxLength).fill(padTokenId);
      encoded.set([startId, ...ids, endId]);
      return encoded;
    },
  };
}

function readVocabulary(folder: string): Vocabulary {
  const fastPath = join(folder, 'tokenizer.json');
  if (existsSync(fastPath)) {
    const { vocab, merges } = readJson(fastPath, fastSchema).model;
    const pairs = merges.map((pair) => (typeof pair === 'string' ? pair.split(' ') : pair));
    return checkMerges(fastPath, vocab, pairs);
  }
  const path = join(folder, 'vocab.json');
  const lines = readText(join(folder, 'merges.txt')).split('\n');
  const pairs = lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#version'))
    .map((line) => line.split(' '));
  return checkMerges(path, readJson(path, vocabSchema), pairs);
}

function checkMerges(
  path: string,
  ids: Vocabulary['ids'],
  pairs: readonly (readonly string[])[],
): Vocabulary {
  const merges = pairs.map(([first = '', second = '', ...others], rank): readonly [string, string] => {
    const isKnown = [first, second, first + second].every((text) => Object.hasOwn(ids, text));
    if (isKnown && others.length === 0) return [first, second];
    const got = JSON.stringify([first, second, ...others].join(' ').trim().slice(0, 60));
    throw modelFault(path, `merge ${rank + 1}`, 'two tokens that make a third', got);
  });
  return { path, ids, merges };
}

/** Gives every token the id of its text, or the next free one, and checks that the files agree. */
function withIds(tokens: readonly DeclaredToken[], { ids }: Vocabulary): ReadonlyMap<string, AddedToken> {
  const added = new Map<string, AddedToken>();
  let next = Object.keys(ids).length;
  for (const { declared, ...token } of tokens) {
    const id = (Object.hasOwn(ids, token.content) ? ids[token.content] : undefined) ?? next;
    if (declared && declared.id !== id) {
      throw modelFault(
        declared.path,
        `added token ${JSON.stringify(token.content)}`,
        `the id ${id}, which transformers 5 gives it`,
        `${declared.id}, which transformers 4 gives it`,
      );
    }
    next = Math.max(next, id + 1);
    added.set(token.content, { ...token, id });
  }
  return added;
}

/** Composes characters, joins blanks, and lowers case letter by letter, so that a final sigma is like any other. */
const normalize = (text: string) =>
  compose(text)
    .replace(/\p{White_Space}+/gu, ' ')
    .replaceAll('Σ', 'σ')
    .toLowerCase();

function wordEncoder({ ids, merges }: Vocabulary, unknown: string, unknownId: number) {
  const pieces = new WordPieces(
    {
      model: { type: 'BPE', vocab: ids, merges, unk_token: unknown, end_of_word_suffix: '</w>' },
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          // In upper case these are not tokens, but they still end a piece and are pieces of their own.
          splitInto(`<\\|startoftext\\|>|<\\|endoftext\\|>|${PIECE}`),
          splitInto(PIECE),
          { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: null,
      added_tokens: [],
    },
    {},
  );
  return (text: string): number[] => {
    const { ids: found }: { readonly ids: readonly (number | undefined)[] } = pieces.encode(text);
    return found.map((id) => id ?? unknownId);
  };
}

const splitInto = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Removed',
  invert: true,
});

/** The id of a token, followed by those of the other vectors of the same textual inversion. */
function vectorsOf({ content, id }: AddedToken, added: ReadonlyMap<string, AddedToken>): number[] {
  const found = [id];
  for (let more = added.get(`${content}_1`); more; more = added.get(`${content}_${found.length}`))
    found.push(more.id);
  return found;
}
