import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../src/models/diffusion/tokenizer.js';
import { loadTextTokenizer } from '../../../src/models/rewards/text-tokenizer.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyClip } from '../../fixtures/tiny-clip.js';

/** A tokenizer of BERT's kind, and what the tokenizers of Hugging Face make of some sentences (tools/reference). */
const WORDPIECE = 'test/fixtures/wordpiece';
const [PAD, CLS, SEP] = [0, 2, 3];

describe('loadTextTokenizer', () => {
  it('should read tokenizer.json as Hugging Face does', async () => {
    const expected = JSON.parse(await readFile(join(WORDPIECE, 'expected.json'), 'utf8'));
    const tokenizer = await loadTextTokenizer(WORDPIECE);
    const found = Object.keys(expected).map((sentence) => [sentence, [...tokenizer.encode(sentence).ids]]);
    expect(found).toHaveLength(6);
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  it('should pad to a length, and cut off before the end token', async () => {
    const tokenizer = await loadTextTokenizer(WORDPIECE);
    const [a, red] = tokenizer.encode('a red').ids.slice(1);
    expect(tokenizer.encode('a red', 6)).toEqual({
      ids: Int32Array.of(CLS, a ?? -1, red ?? -1, SEP, PAD, PAD),
      count: 4,
    });
    expect(tokenizer.encode('a red red red', 4)).toEqual({
      ids: Int32Array.of(CLS, a ?? -1, red ?? -1, SEP),
      count: 4,
    });
    const endless = Array(600).fill('a').join(' ');
    expect([...tokenizer.encode(endless).ids.slice(-2)]).toEqual([a, SEP]);
    expect(tokenizer.encode(endless).count).toBe(512);
  });

  it('should read the files of a pipeline where there is no tokenizer.json, and count up to the end token', async () => {
    const folder = await writeTinyClip(await temporaryFolder());
    const tokenizer = await loadTextTokenizer(folder);
    const { ids, count } = tokenizer.encode('a red circle');
    expect(ids).toEqual(loadTokenizer(folder).encode('a red circle'));
    expect([count, ids.length > count]).toEqual([5, true]);
  });

  it('should say what is wrong with a file', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'tokenizer.json');
    await writeFile(path, '{}');
    const [code, message] = await faultOf(() => loadTextTokenizer(folder));
    expect([code, message]).toEqual([
      'TRIB_MODEL',
      `${join(folder, 'tokenizer_config.json')}: expected a JSON file, got no such file. Copy the file from the model it belongs to.`,
    ]);
    await copyFile(join(WORDPIECE, 'tokenizer_config.json'), join(folder, 'tokenizer_config.json'));
    const [, words] = await faultOf(() => loadTextTokenizer(folder));
    expect(words).toBe(
      `${path}: expected a tokenizer, got "Tokenizer must contain a "model" property". Copy the file from the model it belongs to.`,
    );
  });
});
