/** @file CLIP's own vocabulary against transformers' CLIPTokenizer, by tools/reference/one_file_checkpoints.py. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadOwnClipTokenizer } from '../../../../src/models/pipeline/tokenizers/own-clip-tokenizer.js';

const known = JSON.parse(readFileSync('test/fixtures/checkpoints/clip-ids.json', 'utf8')) as {
  readonly texts: readonly string[];
  readonly [pad: string]: readonly (readonly number[])[] | readonly string[];
};

it.each(['<|endoftext|>', '!'])('should give the ids of transformers, padded with %s', (pad) => {
  const tokenizer = loadOwnClipTokenizer(pad);
  expect(tokenizer.vocabSize).toBe(49408);
  expect(tokenizer.padTokenId).toBe(pad === '!' ? 0 : 49407);
  const rows = known[pad] as readonly (readonly number[])[];
  for (const [index, text] of known.texts.entries()) {
    const row = rows[index] ?? [];
    const wanted = [...row, ...Array.from({ length: 77 - row.length }, () => row.at(-1))];
    expect([...tokenizer.encode(text)], text).toEqual(wanted);
  }
});
