import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';

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

type Folder = {
  readonly name: string;
  /** Contents by file name; `config` is tokenizer_config.json without class and length. */
  readonly files: Readonly<Record<string, Record<string, unknown>>>;
  readonly pad: number;
  readonly ids: Readonly<Record<string, readonly number[]>>;
};
/** What transformers makes of texts (a CRC-32 of the ids) and of folders: tools/reference/clip_tokens.py. */
const REFERENCE: {
  readonly texts: readonly (readonly [string, number])[];
  readonly folders: readonly Folder[];
} = JSON.parse(readFileSync('test/fixtures/clip-tokens.json', 'utf8'));

/** Writes the files of a case, as the script does. */
function putFiles(files: Folder['files']): void {
  rmSync(join(folder, 'special_tokens_map.json'));
  for (const [name, held] of Object.entries(files)) {
    if (name === 'config') {
      put('tokenizer_config.json', { tokenizer_class: 'CLIPTokenizer', model_max_length: 77, ...held });
    } else if (name === 'tokenizer.json') {
      const vocab = content('vocab.json');
      const [one, other] = held.swap as [string, string];
      [vocab[one], vocab[other]] = [vocab[other], vocab[one]];
      const merges = readFileSync(join(folder, 'merges.txt'), 'utf8').trim().split('\n').slice(1);
      put(name, { added_tokens: held.added_tokens, model: { type: 'BPE', vocab, merges } });
    } else put(name, held);
  }
}

/** CRC-32 (of zlib) of the ids, joined with commas. */
function checksum(ids: readonly number[]): number {
  let rest = 0xffffffff;
  for (const byte of Buffer.from(ids.join())) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  }
  return (rest ^ 0xffffffff) >>> 0;
}

describe('the CLIP tokenizer', () => {
  it('should encode texts over all scripts as transformers does', () => {
    const tokenizer = loadTokenizer(folder);
    // A Node of Unicode 15 does not know the letters of 16.
    const isKnown = (text: string) => Number(process.versions.unicode) >= 16 || !/\p{Cn}/u.test(text);
    const texts = REFERENCE.texts.filter(([text]) => isKnown(text));
    expect(texts.length).toBeGreaterThan(1400);
    const wrong = texts.filter(([text, expected]) => {
      const ids = [...tokenizer.encode(text)];
      const end = ids.indexOf(tokenizer.padTokenId);
      return checksum(ids.slice(0, end + 1)) !== expected;
    });
    expect(wrong).toEqual([]);
  });

  it.each(REFERENCE.folders.map((reference) => [reference.name, reference] as const))(
    'should read special and added tokens as transformers does: %s',
    (_, { files, pad, ids }) => {
      putFiles(files);
      const tokenizer = loadTokenizer(folder);
      expect(tokenizer.padTokenId).toBe(pad);
      for (const [text, expected] of Object.entries(ids))
        expect([...tokenizer.encode(text)], text).toEqual([
          ...expected,
          ...Array(77 - expected.length).fill(pad),
        ]);
    },
  );

  it('should take all vectors of a textual inversion where its first is named', () => {
    const free = Object.keys(content('vocab.json')).length;
    put('added_tokens.json', {
      '<toy>': free,
      '<toy>_1': free + 1,
      '<toy>_2': free + 2,
      '<toy>_4': free + 3,
    });
    const tokenizer = loadTokenizer(folder);
    const ids = [...tokenizer.encode('<toy> of <TOY>')].slice(1, 8);
    expect(ids).toEqual([
      free,
      free + 1,
      free + 2,
      content('vocab.json')['of</w>'],
      free,
      free + 1,
      free + 2,
    ]);
    expect(tokenizer.vocabSize).toBe(free + 4);
    expect(tokenizer.addedTokens.get('<toy>_4')).toBe(free + 3);
  });

  it('should refuse an added token whose id depends on the version of transformers', () => {
    const free = Object.keys(content('vocab.json')).length;
    put('added_tokens.json', { '<toy>': free + 5 });
    const path = join(folder, 'added_tokens.json');
    expect(() => loadTokenizer(folder)).toThrowError(
      expect.objectContaining({
        code: 'TRIB_MODEL',
        message: `${path} added token "<toy>": expected the id ${free}, which transformers 5 gives it, got ${free + 5}, which transformers 4 gives it. Restore the file.`,
      }),
    );
  });

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

  it('should be CLIP without a class, and have 77 ids and the end of text as padding where nothing else is said', () => {
    const before = CASES.sd1.map(({ text }) => [...loadTokenizer(folder).encode(text)]);
    const { tokenizer_class: _, model_max_length: __, ...config } = content('tokenizer_config.json');
    const ids = () => CASES.sd1.map(({ text }) => [...loadTokenizer(folder).encode(text)]);
    for (const others of [
      {},
      { tokenizer_class: null, model_max_length: null },
      { model_max_length: 1e30 },
    ]) {
      put('tokenizer_config.json', { ...config, ...others });
      expect(ids()).toEqual(before);
    }
    put('special_tokens_map.json', { pad_token: null });
    expect(ids()).toEqual(before);
    rmSync(join(folder, 'tokenizer_config.json'));
    expect(ids()).toEqual(before);
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
    ...['10000', '1025', '1', '0', '-77', '76.5', '"77"'].map((length): [string, string, RegExp] => [
      'tokenizer_config.json',
      `{"tokenizer_class": "CLIPTokenizer", "model_max_length": ${length}}`,
      /model_max_length: .*expected/,
    ]),
    ['vocab.json', '{"a": 9007199254740991}', /vocab\.json a: /],
    ['added_tokens.json', '{"<toy>": 1e15}', /added_tokens\.json <toy>: /],
    ['added_tokens.json', '{"<toy>": "635"}', /added_tokens\.json <toy>: /],
    ['special_tokens_map.json', '{"pad_token": 5}', /special_tokens_map\.json pad_token: /],
    [
      'special_tokens_map.json',
      JSON.stringify({ additional_special_tokens: ['x'.repeat(100_000)] }),
      /special_tokens_map\.json additional_special_tokens/,
    ],
    ['special_tokens_map.json', '{"eos_token": null}', /eos_token: expected a token, got null/],
    [
      'tokenizer_config.json',
      '{"tokenizer_class": "CLIPTokenizer", "added_tokens_decoder": {"9": {"content": 5}}}',
      /added_tokens_decoder\.9\.content: /,
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
