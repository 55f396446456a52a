import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../src/models/diffusion/tokenizer.js';

const FIXTURES = 'test/fixtures/stable-diffusion';
type Case = { readonly text: string; readonly ids: readonly number[] };
const CASES: Readonly<Record<'sd1' | 'sd2', readonly Case[]>> = JSON.parse(
  readFileSync(`${FIXTURES}/tokens.json`, 'utf8'),
);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clip-'));
  cpSync(`${FIXTURES}/sd1/tokenizer`, folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const content = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const put = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));

describe('the CLIP tokenizer', () => {
  it.each(['sd1', 'sd2'] as const)('should encode every text as transformers does, padded: %s', (name) => {
    const tokenizer = loadTokenizer(`${FIXTURES}/${name}/tokenizer`);
    for (const { text, ids } of CASES[name]) {
      const padding = Array(77 - ids.length).fill(tokenizer.padTokenId);
      expect([...tokenizer.encode(text)], text).toEqual([...ids, ...padding]);
    }
    expect(tokenizer.modelMaxLength).toBe(77);
  });

  it('should pad with the token that the folder names, in either file, as text or as an object', () => {
    const end = content('vocab.json')['<|endoftext|>'];
    expect(loadTokenizer(folder).padTokenId).toBe(end);
    expect(loadTokenizer(`${FIXTURES}/sd2/tokenizer`).padTokenId).toBe(0);
    const { pad_token: _, ...config } = content('tokenizer_config.json');
    put('tokenizer_config.json', config);
    put('special_tokens_map.json', { pad_token: { content: 'a', lstrip: false } });
    expect(loadTokenizer(folder).padTokenId).toBe(content('vocab.json').a);
    rmSync(join(folder, 'special_tokens_map.json'));
    expect(loadTokenizer(folder).padTokenId).toBe(end);
  });

  it('should read tokenizer.json where there is no vocabulary beside it', () => {
    const before = CASES.sd1.map(({ text }) => [...loadTokenizer(folder).encode(text)]);
    const merges = readFileSync(join(folder, 'merges.txt'), 'utf8').trim().split('\n').slice(1);
    const vocab = content('vocab.json');
    rmSync(join(folder, 'vocab.json'));
    rmSync(join(folder, 'merges.txt'));
    for (const listed of [merges, merges.map((pair) => pair.split(' '))]) {
      put('tokenizer.json', { model: { type: 'BPE', vocab, merges: listed } });
      expect(CASES.sd1.map(({ text }) => [...loadTokenizer(folder).encode(text)])).toEqual(before);
    }
  });

  it('should refuse a text of more tokens than the model takes, however long', () => {
    const tokenizer = loadTokenizer(folder);
    expect(tokenizer.encode('1'.repeat(75))).toHaveLength(77);
    const fault = (message: string) => expect.objectContaining({ code: 'TRIB_PROMPT', message });
    expect(() => tokenizer.encode('1'.repeat(76))).toThrowError(
      fault(`prompt "${'1'.repeat(57)}...": expected at most 75 tokens, got 76. Shorten it.`),
    );
    expect(() => tokenizer.encode('q'.repeat(2_000_000))).toThrowError(
      fault(`prompt "${'q'.repeat(57)}...": expected at most 75 tokens, got 2000000 characters. Shorten it.`),
    );
  });

  it.each([
    ['merges.txt', '#version: 0.2\nqq zz\n', /merge 1: expected two tokens that make a third, got "qq zz"/],
    ['vocab.json', '{"a": 0}', /./],
    ['vocab.json', '{"a": -1}', /vocab\.json a: /],
    [
      'tokenizer_config.json',
      '{"tokenizer_class": "T5Tokenizer"}',
      /expected "WordTokenizer" or "CLIPTokenizer"/,
    ],
    [
      'tokenizer_config.json',
      '{"tokenizer_class": "CLIPTokenizer", "model_max_length": 1e30}',
      /model_max_length/,
    ],
  ])('should say what is wrong with %s holding %s', (name, text, message) => {
    writeFileSync(join(folder, name), text);
    expect(() => loadTokenizer(folder)).toThrowError(
      expect.objectContaining({ code: 'TRIB_MODEL', message: expect.stringMatching(message) }),
    );
  });

  it('should say which file is missing', () => {
    rmSync(join(folder, 'merges.txt'));
    expect(() => loadTokenizer(folder)).toThrowError(expect.objectContaining({ code: 'TRIB_FILE' }));
  });
});
