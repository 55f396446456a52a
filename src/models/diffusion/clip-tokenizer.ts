/**
 * @file CLIP's tokenizer: byte-pair encoding over the bytes of lower-case words, with `</w>` behind the last. Held against
 * transformers' `CLIPTokenizer`.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { modelFault, readJson, readText } from './tokenizer-files.js';

export const CLIP_TOKENIZER_CLASSES: readonly string[] = ['CLIPTokenizer', 'CLIPTokenizerFast'];

const START = '<|startoftext|>';
const END = '<|endoftext|>';
const END_OF_WORD = '</w>';

/** Contractions, letters, single digits, and runs of everything else that is no blank. */
const PIECE = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

// A special token stands as text, or as an object around it.
const token = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const configSchema = z.object({
  model_max_length: z.int().min(2).max(10_000).default(77),
  pad_token: token.optional(),
});
const specialTokensSchema = z.object({ pad_token: token.optional() });
const vocabSchema = z.record(z.string(), z.int().nonnegative());
const fastSchema = z.object({
  model: z.object({
    type: z.literal('BPE'),
    vocab: vocabSchema,
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

interface Vocabulary {
  /** The file that holds it, for messages. */
  readonly path: string;
  readonly ids: ReadonlyMap<string, number>;
  /** Rank of every merge, the pair with a blank between. */
  readonly ranks: ReadonlyMap<string, number>;
}

/**
 * Loads a CLIP tokenizer: `vocab.json` and `merges.txt`, or `tokenizer.json` where they are not there. Padding is
 * `pad_token` of `tokenizer_config.json` or `special_tokens_map.json`, else the end-of-text token.
 *
 * Deviation from transformers: a text of more tokens than the model takes is an error. Cut off, the model would be trained
 * on a part of the prompt while the reward is given for the whole.
 *
 * Errors: TRIB_FILE when a file cannot be read; TRIB_MODEL when its content is not what is said above.
 */
export function loadClipTokenizer(folder: string) {
  const config = readJson(join(folder, 'tokenizer_config.json'), configSchema);
  const vocabulary = readVocabulary(folder);
  const idOf = (text: string): number => {
    const id = vocabulary.ids.get(text);
    if (id !== undefined) return id;
    throw modelFault(vocabulary.path, 'tokens', `the token "${text}"`, 'none of that name');
  };
  const [startId, endId] = [idOf(START), idOf(END)];
  const padToken = config.pad_token ?? padOf(folder) ?? END;
  const padTokenId = idOf(padToken);
  const specialTokens = [...new Set([START, END, padToken])];
  const { model_max_length: modelMaxLength } = config;
  const most = modelMaxLength - 2;
  const longest = Math.max(...[...vocabulary.ids.keys()].map(({ length }) => length));
  return {
    modelMaxLength,
    vocabSize: Math.max(...vocabulary.ids.values()) + 1,
    padTokenId,
    encode(text: string): Int32Array {
      // Composed or not, no token stands for more characters than this: a text beyond is not even split.
      const hopeless = text.replace(/\s/g, '').length > 3 * most * longest;
      const ids = hopeless ? null : encodeText(text, vocabulary, specialTokens);
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
  const [path, fastPath] = [join(folder, 'vocab.json'), join(folder, 'tokenizer.json')];
  if (!existsSync(path) && existsSync(fastPath)) {
    const { vocab, merges } = readJson(fastPath, fastSchema).model;
    return vocabularyOf(
      fastPath,
      vocab,
      merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' '))),
    );
  }
  const lines = readText(join(folder, 'merges.txt')).split('\n');
  const merges = lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#version'));
  return vocabularyOf(path, readJson(path, vocabSchema), merges);
}

function vocabularyOf(
  path: string,
  vocab: Readonly<Record<string, number>>,
  merges: readonly string[],
): Vocabulary {
  const ids = new Map(Object.entries(vocab));
  for (const [rank, pair] of merges.entries()) {
    if (pair.split(' ').length !== 2 || !ids.has(pair.replace(' ', ''))) {
      throw modelFault(
        path,
        `merge ${rank + 1}`,
        'two tokens that make a third',
        JSON.stringify(pair.slice(0, 60)),
      );
    }
  }
  return { path, ids, ranks: new Map(merges.map((pair, rank) => [pair, rank])) };
}

function padOf(folder: string): string | undefined {
  const path = join(folder, 'special_tokens_map.json');
  return existsSync(path) ? readJson(path, specialTokensSchema).pad_token : undefined;
}

/**
 * Ids of a text, without start, end and padding. Special tokens are found in it first, as they stand: where padding is `!`
 * (SD 2.x, SDXL's second), an exclamation mark is a padding token to transformers, and so here.
 */
function encodeText(text: string, { ids, ranks }: Vocabulary, specialTokens: readonly string[]): number[] {
  const unknownId = ids.get(END) ?? 0;
  const escaped = specialTokens.map((special) => special.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return text.split(new RegExp(`(${escaped.join('|')})`)).flatMap((part) => {
    if (specialTokens.includes(part)) return ids.get(part) ?? unknownId;
    const pieces = normalized(part).match(PIECE) ?? [];
    return pieces.flatMap((piece) => mergedTokens(piece, ranks).map((found) => ids.get(found) ?? unknownId));
  });
}

/** Composed characters, lower case letter by letter (so that a final sigma is one like any other). */
const normalized = (text: string) =>
  [...text.normalize('NFC')].map((letter) => letter.toLowerCase()).join('');

/** Joins, again and again, the neighbours whose merge was learnt first. */
function mergedTokens(piece: string, ranks: ReadonlyMap<string, number>): string[] {
  const tokens = [...new TextEncoder().encode(piece)].map((byte) => BYTE_CHARACTERS[byte] ?? '');
  tokens.push(`${tokens.pop()}${END_OF_WORD}`);
  for (;;) {
    let [best, place] = [Number.POSITIVE_INFINITY, -1];
    for (let at = 0; at + 1 < tokens.length; at++) {
      const rank = ranks.get(`${tokens[at]} ${tokens[at + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < best) [best, place] = [rank, at];
    }
    if (place < 0) return tokens;
    tokens.splice(place, 2, `${tokens[place]}${tokens[place + 1]}`);
  }
}

/** A visible character for every byte: its own where Latin-1 has one, else one from 256 on, in order. */
const BYTE_CHARACTERS: readonly string[] = (() => {
  const isVisible = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : next++));
})();
