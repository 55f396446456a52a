/** @file CLIP's tokenizer from the vocabulary that comes with this program, for models that bring none. */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { packageFile } from '../../../own-package.js';
import { CLIP_SPECIAL_TOKENS, clipTokenizer, PROMPT_LENGTH, type Vocabulary } from './clip-tokenizer.js';
import type { Tokenizer } from './tokenizer-contract.js';

const MERGES = 'tributary:clip/merges.txt.br';

let known: Vocabulary | undefined;

/** The merges and ids of CLIP, the same for every model of Stable Diffusion. */
export function ownClipVocabulary(): Vocabulary {
  if (known) return known;
  const path = packageFile(MERGES) ?? MERGES;
  const lines = brotliDecompressSync(readFileSync(path)).toString('utf8').trimEnd().split('\n');
  const merges = lines.map((line) => line.split(' ') as [string, string]);
  const bytes = byteCharacters();
  const { bos_token: start, eos_token: end } = CLIP_SPECIAL_TOKENS;
  const tokens = [
    ...bytes,
    ...bytes.map((char) => `${char}</w>`),
    ...merges.map((pair) => pair.join('')),
    start,
    end,
  ];
  known = { path, merges, ids: Object.fromEntries(tokens.map((token, id) => [token, id])) };
  return known;
}

/** Loads the tokenizer, which pads prompts with a token: that of the end for SD 1.x, `!` for OpenCLIP's text encoders. */
export function loadOwnClipTokenizer(padToken: string): Tokenizer {
  const named = { ...CLIP_SPECIAL_TOKENS, pad_token: padToken };
  const plain = { singleWord: false, lstrip: false, rstrip: false, normalized: false, declared: null };
  const tokens = [...new Set(Object.values(named))].map((content) => ({ content, ...plain }));
  const special = { named: new Map(Object.entries(named)), tokens };
  return clipTokenizer(ownClipVocabulary(), special, { modelMaxLength: PROMPT_LENGTH, path: MERGES });
}

/** The files of the tokenizer's folder, as transformers reads them. */
export function ownTokenizerFiles(padToken: string): Readonly<Record<string, string>> {
  const { ids, merges } = ownClipVocabulary();
  const special = { ...CLIP_SPECIAL_TOKENS, pad_token: padToken };
  const config = { ...special, model_max_length: PROMPT_LENGTH, tokenizer_class: 'CLIPTokenizer' };
  return {
    'merges.txt': `#version: 0.2\n${merges.map((pair) => pair.join(' ')).join('\n')}\n`,
    'special_tokens_map.json': `${JSON.stringify(special, null, 2)}\n`,
    'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
    'vocab.json': JSON.stringify(ids),
  };
}

/** The printable character for each byte, as GPT-2's encoding orders them: printable bytes first. */
function byteCharacters(): readonly string[] {
  const isPrintable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  const printable = all.filter(isPrintable);
  const others = all.length - printable.length;
  return [...printable, ...Array.from({ length: others }, (_, index) => 256 + index)].map((code) =>
    String.fromCharCode(code),
  );
}
