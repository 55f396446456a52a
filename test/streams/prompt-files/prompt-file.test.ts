import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describePromptFile, readPromptFile } from '../../../src/streams/prompt-files/prompt-file.js';
import { read } from './read-content.js';

const textsOf = async (...args: Parameters<typeof read>) =>
  (await read(...args)).prompts.map(({ prompt }) => prompt);

const FOLDER = 'test/fixtures/prompt-files';
const ORACLE: Record<string, unknown[]> = JSON.parse(readFileSync(`${FOLDER}/expected.json`, 'utf8'));

describe('readPromptFile', () => {
  it.each(Object.keys(ORACLE))('should read %s as Python does', async (name) => {
    const { prompts } = await readPromptFile(join(FOLDER, name), { comments: true, check: () => {} });
    expect(prompts).toEqual(ORACLE[name]);
  });

  it('should take one prompt a line, and count comments and empty lines', async () => {
    const file = await read(
      '# three\n\n  a red circle \r\nthree green triangles\r\t\r#last\none blue square\na red circle\n\n',
    );
    expect(file.prompts).toEqual(
      ['a red circle', 'three green triangles', 'one blue square', 'a red circle'].map((prompt) => ({
        prompt,
        weight: 1,
      })),
    );
    expect(file).toMatchObject({ leftOut: { comments: 2, emptyLines: 3, weightZero: 0 }, repeats: 1 });
    expect(describePromptFile({ ...file, path: 'list.txt' })).toBe(
      '4 from list.txt (left out: 2 comments, 3 empty lines; 1 repeated prompt)',
    );
  });

  it('should take a line that begins with # for a prompt where comments are off', async () => {
    const options = { comments: false };
    expect(await textsOf('#1 dad mug\na cat\n', options)).toEqual(['#1 dad mug', 'a cat']);
    expect(await textsOf('#1 dad mug\na cat\n')).toEqual(['a cat']);
    expect(await textsOf('["#1 dad mug"]', { name: 'p.json' })).toEqual(['#1 dad mug']);
    expect(await textsOf('prompt\n#1 dad mug\n', { name: 'p.csv' })).toEqual(['#1 dad mug']);
  });

  it('should leave out what has weight 0, and count empty lines of any kind', async () => {
    const csv = await read('prompt,weight\n\na,0\nb,2\n \n', { name: 'p.csv' });
    expect(csv).toMatchObject({ prompts: [{ prompt: 'b', weight: 2 }] });
    expect(csv.leftOut).toEqual({ comments: 0, emptyLines: 2, weightZero: 1 });
    const jsonl = await read('{"prompt":"a","weight":0}\n\n"b"\n', { name: 'p.jsonl' });
    expect(jsonl.leftOut).toEqual({ comments: 0, emptyLines: 1, weightZero: 1 });
  });

  it('should have one fingerprint for the same prompts in any kind', async () => {
    const of = async (...args: Parameters<typeof read>) => (await read(...args)).fingerprint;
    const plain = await of('a\nb\n');
    expect(plain).toMatchObject({ count: 2, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await of('\ufeff# list\r\na\r\nb')).toEqual(plain);
    expect(await of('["a", {"prompt": "b"}]', { name: 'p.json' })).toEqual(plain);
    for (const other of [
      '["b", "a"]',
      '["a"]',
      '["a", {"prompt": "b", "weight": 2}]',
      '["a", {"prompt": "b", "x": 1}]',
    ])
      expect((await of(other, { name: 'p.json' })).sha256).not.toBe(plain.sha256);
  });

  it('should keep keys as they are, whatever they are called', async () => {
    const [prompt] = (await read('{"prompt": "a", "__proto__": {"x": 1}, "": 2}', { name: 'p.jsonl' }))
      .prompts;
    expect(JSON.stringify(prompt?.metadata)).toBe('{"__proto__":{"x":1},"":2}');
  });
});
