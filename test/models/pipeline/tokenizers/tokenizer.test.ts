import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';
import { enumeratePrompts, formatPrompt, TEMPLATES } from '../../../../src/models/shapes/prompts/grammar.js';
import { shapesTokenizerFiles } from '../../../../src/models/shapes/prompts/shapes-files.js';

const SHIPPED = join(import.meta.dirname, '../../../../models/shapes/tokenizer');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tokenizer-'));
  for (const [name, text] of Object.entries(shapesTokenizerFiles())) writeFileSync(join(folder, name), text);
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('loadTokenizer', () => {
  it('should encode start, words, end and padding', () => {
    const tokenizer = loadTokenizer(folder);
    const {
      '<bos>': bos,
      '<eos>': eos,
      '<pad>': pad,
      two,
      red,
      circles,
    } = JSON.parse(readFileSync(join(folder, 'vocab.json'), 'utf8'));
    expect([...tokenizer.encode(' Two red  CIRCLES')]).toEqual([
      bos,
      two,
      red,
      circles,
      eos,
      ...Array(7).fill(pad),
    ]);
    expect([...tokenizer.encode('')]).toEqual([bos, eos, ...Array(10).fill(pad)]);
    expect(tokenizer).toMatchObject({ modelMaxLength: 12, vocabSize: 26, padTokenId: 0 });
  });

  it('should encode every prompt of the grammar differently', () => {
    const tokenizer = loadTokenizer(folder);
    const encoded = TEMPLATES.flatMap(enumeratePrompts).map((prompt) =>
      tokenizer.encode(formatPrompt(prompt)).join(),
    );
    expect(new Set(encoded).size).toBe(210 + 60 + 840);
  });

  it('should be what the model folder holds', () => {
    for (const [name, text] of Object.entries(shapesTokenizerFiles())) {
      expect(
        readFileSync(join(SHIPPED, name), 'utf8'),
        `run node tools/write-shapes-files.mjs for ${name}`,
      ).toBe(text);
    }
  });

  it('should name the nearest word for an unknown one', () => {
    expect(() => loadTokenizer(folder).encode('two gren circles')).toThrowError(
      expect.objectContaining({
        code: 'TRIB_PROMPT',
        message: `prompt "two gren circles" word 2: expected a word of the model's vocabulary, got "gren". Did you mean "green"?`,
      }),
    );
  });

  it('should list its words for one that is near none', () => {
    expect(() => loadTokenizer(folder).encode('a dragon')).toThrowError(
      expect.objectContaining({
        message: `prompt "a dragon" word 2: expected a word of the model's vocabulary, got "dragon". It knows a, and, one, two, three, four, red, green, blue, yellow, purple, circle, square, triangle, circles, squares, triangles, above, below, left, of, right.`,
      }),
    );
  });

  it('should not take a special token for a word', () => {
    expect(() => loadTokenizer(folder).encode('two <pad> circles')).toThrowError(
      expect.objectContaining({ code: 'TRIB_PROMPT' }),
    );
  });

  it('should refuse more words than the model takes', () => {
    const tokenizer = loadTokenizer(folder);
    expect(tokenizer.encode(Array(10).fill('red').join(' '))).toHaveLength(12);
    expect(() => tokenizer.encode(Array(11).fill('red').join(' '))).toThrowError(
      /expected at most 10 words, got 11/,
    );
  });

  it.each([
    ['vocab.json', null, 'TRIB_FILE', /vocab\.json: expected a readable file, got .*ENOENT/],
    ['tokenizer_config.json', null, 'TRIB_FILE', /tokenizer_config\.json: expected a readable file/],
    [
      'vocab.json',
      '{"a": 0, "b',
      'TRIB_MODEL',
      /vocab\.json: expected JSON, got "\{\\"a\\": 0, \\"b"\. Restore/,
    ],
    ['vocab.json', '{"a": 0.5}', 'TRIB_MODEL', /vocab\.json a: .*expected int/],
    ['vocab.json', '{"a": 0, "b": 0}', 'TRIB_MODEL', /ids: expected 0 to 1, each once, got 1 ids up to 0/],
    ['vocab.json', '{}', 'TRIB_MODEL', /vocab\.json/],
    ['vocab.json', '{"a": 0}', 'TRIB_MODEL', /tokens: expected the special token "<bos>", got none/],
    ['tokenizer_config.json', '{}', 'TRIB_MODEL', /tokenizer_config\.json tokenizer_class: /],
    [
      'tokenizer_config.json',
      JSON.stringify({
        ...JSON.parse(shapesTokenizerFiles()['tokenizer_config.json']!),
        tokenizer_class: 'T5Tokenizer',
      }),
      'TRIB_MODEL',
      /tokenizer_class: expected "WordTokenizer" or "CLIPTokenizer" or "CLIPTokenizerFast", got "T5Tokenizer"/,
    ],
  ])('should say what is wrong with %s holding %s', (name, text, code, message) => {
    if (text === null) rmSync(join(folder, name));
    else writeFileSync(join(folder, name), text);
    expect(() => loadTokenizer(folder)).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
