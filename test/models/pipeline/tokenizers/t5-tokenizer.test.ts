/** @file T5's tokenizer against transformers; the fixture is made by tools/reference/t5_encoder.py. */
import { readFileSync } from 'node:fs';
import { cp, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadT5Tokenizer } from '../../../../src/models/pipeline/tokenizers/t5-tokenizer.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const FOLDER = 'test/fixtures/t5/tokenizer';
const cases = JSON.parse(readFileSync('test/fixtures/t5/tokens.json', 'utf8')) as readonly {
  readonly text: string;
  readonly ids: readonly number[];
}[];

async function folderWith(change: (file: Record<string, unknown>) => object): Promise<string> {
  const folder = await temporaryFolder();
  await cp(FOLDER, folder, { recursive: true });
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
  return folder;
}

describe('loadT5Tokenizer', () => {
  const tokenizer = loadT5Tokenizer(FOLDER, 512);

  it('should give 1,000 texts of many kinds the ids of transformers', () => {
    expect(cases).toHaveLength(1000);
    const wrong = cases.filter(({ text, ids }) => {
      const padded = [...ids, ...Array(512 - ids.length).fill(0)];
      return tokenizer.encode(text).join() !== padded.join();
    });
    expect(wrong).toEqual([]);
    expect(tokenizer).toMatchObject({ modelMaxLength: 512, vocabSize: 320, padTokenId: 0 });
  });

  it('should read 256 ids by default, and refuse texts of more', () => {
    const short = loadT5Tokenizer(FOLDER);
    expect(short.encode('a cat')).toHaveLength(256);
    expect(() => short.encode('cat '.repeat(300))).toThrow(
      /^prompt "cat cat .*\.\.\.": expected at most 255 tokens of T5, got \d+\. Shorten it\.$/,
    );
    expect(() => short.encode('x'.repeat(1e6))).toThrow('got 1000000 characters');
  });

  it('should refuse textual inversions', () => {
    expect(tokenizer.withTokens([])).toBe(tokenizer);
    expect(() => tokenizer.withTokens([{ token: '<cat>', count: 1, path: 'cat.safetensors' }])).toThrow(
      'cat.safetensors: expected a model with a tokenizer of CLIP',
    );
  });

  it('should say how tokenizer.json is made where there is only spiece.model', async () => {
    const folder = await folderWith((file) => file);
    await rename(join(folder, 'tokenizer.json'), join(folder, 'spiece.model'));
    expect(() => loadT5Tokenizer(folder)).toThrow(
      /tokenizer\.json: expected .* got only spiece\.model .*T5TokenizerFast/,
    );
  });

  it.each([
    [{ model: { type: 'BPE' } }, 'model.type: expected Unigram'],
    [
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } },
      'expected a table as sentencepiece compiles it',
    ],
    [
      { normalizer: { type: 'Precompiled', precompiled_charsmap: `${'/'.repeat(32)}` } },
      'expected a table as sentencepiece',
    ],
  ])('should refuse %j', async (changes, text) => {
    const folder = await folderWith((file) => ({ ...file, ...changes }));
    expect(() => loadT5Tokenizer(folder)).toThrow(text);
  });
});
