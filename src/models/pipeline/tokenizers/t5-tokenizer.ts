/** @file T5's tokenizer, which the third text encoder of Stable Diffusion 3 reads with. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as Unigram } from '@huggingface/tokenizers';
import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import { type AddedToken, addedTokenSplitter } from './added-tokens.js';
import { precompiledNormalizer } from './precompiled-charsmap.js';
import { readSpecialTokens } from './special-tokens.js';
import type { Tokenizer } from './tokenizer-contract.js';
import { MAX_TOKEN_ID, modelFault, readJson } from './tokenizer-files.js';

export const T5_TOKENIZER_CLASSES: readonly string[] = ['T5Tokenizer', 'T5TokenizerFast'];

const T5_SPECIAL_TOKENS = { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };
/** Ids that Stable Diffusion 3 gives a prompt, whatever the tokenizer's own limit: `max_sequence_length` of diffusers. */
const SD3_PROMPT_LENGTH = 256;
/** Characters for each token beyond which a text is not read: no token of T5 stands for more than 16. */
const MOST_CHARACTERS = 64;

const precompiled = z.object({ type: z.literal('Precompiled'), precompiled_charsmap: z.string() });
const anyOther = z.looseObject({ type: z.string() });
const fileSchema = z.object({
  normalizer: z
    .union([
      precompiled.transform((one) => [one]),
      z
        .object({ type: z.literal('Sequence'), normalizers: z.array(z.union([precompiled, anyOther])) })
        .transform(({ normalizers }) => normalizers),
      anyOther.transform((one) => [one]),
    ])
    .nullish(),
  model: z.object({
    type: z.literal('Unigram', { error: 'expected Unigram' }),
    unk_id: z.int().min(0),
    vocab: z
      .array(z.tuple([z.string(), z.number()]))
      .min(1)
      .max(MAX_TOKEN_ID),
  }),
});

/**
 * Loads a T5 tokenizer as `T5Tokenizer` of transformers 5.24.0 does: added tokens are taken out of the text as it stands, the
 * rest is normalized by the file's table, split at blanks, and each word, with `▁` before it, becomes the most probable
 * sequence of tokens (a unigram model). Then come `</s>` and padding. Case and accents count.
 *
 * Of `tokenizer.json` the vocabulary and the table count; splitting is T5's own, whatever the file says.
 *
 * Departure: a text of more tokens is an error, where diffusers cuts it off with a warning.
 *
 * @param modelMaxLength ids of a prompt.
 * Errors: TRIB_FILE if a file cannot be read, or there is only a `spiece.model`; TRIB_MODEL if its content is not as described
 * above.
 */
export function loadT5Tokenizer(folder: string, modelMaxLength = SD3_PROMPT_LENGTH): Tokenizer {
  const path = join(folder, 'tokenizer.json');
  if (!existsSync(path) && existsSync(join(folder, 'spiece.model'))) {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected a readable file, got only spiece.model beside it, which is not read. Make it with transformers and sentencepiece: python -c "import sys, transformers; transformers.T5TokenizerFast.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[1])" ${folder}`,
    );
  }
  const { model, normalizer } = readJson(path, fileSchema);
  const ids = new Map(model.vocab.map(([token], id) => [token, id]));
  const { tokens, named } = readSpecialTokens(folder, T5_SPECIAL_TOKENS);
  const added = tokens.map(({ declared, ...token }): AddedToken => {
    const id = ids.get(token.content) ?? declared?.id;
    if (id !== undefined) return { ...token, id };
    throw modelFault(path, 'model.vocab', `the token ${JSON.stringify(token.content)}`, 'none of that text');
  });
  const idOf = (key: keyof typeof T5_SPECIAL_TOKENS): number => {
    const content = named.get(key);
    const id = ids.get(content ?? '') ?? added.find((token) => token.content === content)?.id;
    if (id !== undefined) return id;
    throw modelFault(path, key, 'a token of the vocabulary', JSON.stringify(content ?? null));
  };
  const [endId, padTokenId] = [idOf('eos_token'), idOf('pad_token')];
  if (model.unk_id >= model.vocab.length)
    throw modelFault(path, 'model.unk_id', `less than ${model.vocab.length}`, String(model.unk_id));
  const splitter = addedTokenSplitter(added, normalizerOf(path, normalizer ?? []));
  const unigram = new Unigram(
    {
      ...{ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null },
      pre_tokenizer: { type: 'Sequence', pretokenizers: PRE_TOKENIZERS },
      ...{ model: { ...model, byte_fallback: false }, post_processor: null, decoder: null },
    } as unknown as ConstructorParameters<typeof Unigram>[0],
    { eos_token: named.get('eos_token') } as ConstructorParameters<typeof Unigram>[1],
  );
  const idsOf = (text: string): number[] =>
    splitter
      .split(text)
      .flatMap((part) =>
        typeof part === 'string' ? unigram.encode(part, { add_special_tokens: false }).ids : [part.id],
      );
  const most = modelMaxLength - 1;
  return {
    modelMaxLength,
    vocabSize: Math.max(model.vocab.length - 1, ...added.map(({ id }) => id)) + 1,
    padTokenId,
    addedTokens: new Map(added.map(({ content, id }) => [content, id])),
    withTokens([inversion]): Tokenizer {
      if (inversion === undefined) return this;
      const text = `${inversion.path}: expected a model with a tokenizer of CLIP, which textual inversions are made for, got ${folder}, whose tokenizer is T5's. Leave the file out.`;
      throw new TributaryError('TRIB_MODEL', text);
    },
    encode(text: string): Int32Array {
      const tooLong = text.length > MOST_CHARACTERS * most;
      const found = tooLong ? null : idsOf(text);
      if (!found || found.length > most) {
        const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
        throw new TributaryError(
          'TRIB_PROMPT',
          `prompt "${shown}": expected at most ${most} tokens of T5, got ${found ? found.length : `${text.length} characters`}. Shorten it.`,
        );
      }
      const encoded = new Int32Array(modelMaxLength).fill(padTokenId);
      encoded.set([...found, endId]);
      return encoded;
    },
  };
}

const PRE_TOKENIZERS = [
  { type: 'WhitespaceSplit' },
  { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
];

function normalizerOf(path: string, normalizers: readonly object[]): (text: string) => string {
  const table = normalizers.find((one) => precompiled.safeParse(one).success) as
    | z.infer<typeof precompiled>
    | undefined;
  if (table === undefined) return (text) => text;
  const normalize = precompiledNormalizer(table.precompiled_charsmap);
  if (normalize) return normalize;
  throw modelFault(
    path,
    'normalizer.precompiled_charsmap',
    'a table as sentencepiece compiles it',
    'other bytes',
  );
}
