import { copyFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';
import { loadTextTokenizer } from '../../../../src/models/rewards/encoders/text-tokenizer.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { writeTinyClip } from '../../../fixtures/tiny-clip.js';

/** A tokenizer of BERT's kind, and what the tokenizers of Hugging Face make of some sentences (tools/reference). */
const WORDPIECE = 'test/fixtures/wordpiece';
const [CLS, SEP, PAD] = [1, 2, 3];

describe('loadTextTokenizer', () => {
  it('should read tokenizer.json as Hugging Face does', async () => {
    const expected = JSON.parse(await readFile(join(WORDPIECE, 'expected.json'), 'utf8'));
    const tokenizer = await loadTextTokenizer(WORDPIECE);
    const sentences = Object.keys(expected.ids);
    expect(sentences).toHaveLength(7);
    const idsOf = (length?: number) =>
      Object.fromEntries(sentences.map((text) => [text, [...tokenizer.encode(text, length).ids]]));
    expect(idsOf()).toEqual(expected.ids);
    expect(idsOf(24)).toEqual(expected.padded);
  });

  it('should pad with the token that the files name, or else with that of tokenizer.json, or the usual one', async () => {
    const folder = await temporaryFolder();
    await cp(WORDPIECE, folder, { recursive: true });
    const padded = async () => (await loadTextTokenizer(folder)).encode('', 3).ids[2];
    expect(await padded()).toBe(PAD);
    await rm(join(folder, 'special_tokens_map.json'));
    expect(await padded()).toBe(0);
    await writeFile(join(folder, 'tokenizer_config.json'), '{}');
    expect(await padded()).toBe(PAD);
    const path = join(folder, 'tokenizer.json');
    const content = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...content, padding: { pad_token: '[SEP]' } }));
    expect(await padded()).toBe(SEP);
    await writeFile(join(folder, 'tokenizer_config.json'), '{"pad_token": "[pad]"}');
    expect(await faultOf(padded)).toEqual([
      'TRIB_MODEL',
      `${path} pad_token: expected a token of the vocabulary, got "[pad]". Name one in special_tokens_map.json beside it.`,
    ]);
  });

  it('should pad with the default of CLIP where its class says so and no file names another', async () => {
    const folder = await temporaryFolder();
    await cp(WORDPIECE, folder, { recursive: true });
    await rm(join(folder, 'special_tokens_map.json'));
    const path = join(folder, 'tokenizer.json');
    const content = JSON.parse(await readFile(path, 'utf8'));
    const added = { id: 500, content: '<|endoftext|>', special: true };
    await writeFile(path, JSON.stringify({ ...content, added_tokens: [...content.added_tokens, added] }));
    const padded = async (config: object) => {
      await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
      return (await loadTextTokenizer(folder)).encode('', 3).ids[2];
    };
    expect(await padded({ tokenizer_class: 'CLIPTokenizer' })).toBe(500);
    expect(await padded({ tokenizer_class: 'CLIPTokenizerFast', pad_token: '[SEP]' })).toBe(SEP);
    expect(await padded({ tokenizer_class: 'BertTokenizer' })).toBe(PAD);
  });

  it.each([
    ['tokenizer_config.json', { model_max_length: 1 }, 'model_max_length: expected a number of ids'],
    ['tokenizer_config.json', { model_max_length: '512' }, 'model_max_length: expected a number of ids'],
    ['tokenizer_config.json', { padding_side: 'left' }, 'padding_side: expected "right"'],
    ['tokenizer.json', { added_tokens: [{ id: 1e300, content: 'a' }] }, 'added_tokens.0.id: expected an id'],
    [
      'tokenizer.json',
      { added_tokens: [{ id: 1, content: 'a', single_word: true }] },
      'added_tokens.0.single_word: expected false',
    ],
    ['tokenizer.json', { model: { type: 'WordPiece', vocab: { a: '1' } } }, 'model.vocab: expected an id'],
  ])('should refuse what %s cannot mean: %j', async (name, fields, text) => {
    const folder = await temporaryFolder();
    await cp(WORDPIECE, folder, { recursive: true });
    const path = join(folder, name);
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...fields }));
    const [code, message] = await faultOf(() => loadTextTokenizer(folder));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(`${path} ${text}`);
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

  it('should say what is wrong with a part that the library reads when it is first needed', async () => {
    const folder = await temporaryFolder();
    await cp(WORDPIECE, folder, { recursive: true });
    const path = join(folder, 'tokenizer.json');
    const content = JSON.parse(await readFile(path, 'utf8'));
    const processor = { type: 'BertProcessing', cls: ['[CLS]', CLS] };
    await writeFile(path, JSON.stringify({ ...content, post_processor: processor }));
    const tokenizer = await loadTextTokenizer(folder);
    expect(await faultOf(async () => tokenizer.encode('a'))).toEqual([
      'TRIB_MODEL',
      expect.stringContaining(`${path}: expected a tokenizer, got "`),
    ]);
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
