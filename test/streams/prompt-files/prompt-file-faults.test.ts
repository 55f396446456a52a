import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../src/models/pipeline/tokenizers/tokenizer.js';
import { shapesTokenizerFiles } from '../../../src/models/shapes/prompts/shapes-files.js';
import { readPromptFile } from '../../../src/streams/prompt-files/prompt-file.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { read } from './read-content.js';

const refusalOf = (...args: Parameters<typeof read>) => faultOf(() => read(...args));

async function shapesCheck() {
  const folder = await temporaryFolder();
  for (const [name, text] of Object.entries(shapesTokenizerFiles()))
    await writeFile(join(folder, name), text);
  return (prompt: string) => loadTokenizer(folder).encode(prompt);
}

describe('readPromptFile, of what it refuses', () => {
  it('should say where a word is unknown, and what it may have been', async () => {
    const check = await shapesCheck();
    expect(await refusalOf('# list\na red circle\na red squar\n', { check })).toEqual([
      'TRIB_PROMPT',
      'prompts.txt:3 prompt "a red squar" word 3: expected a word of the model\'s vocabulary, got "squar". Did you mean "square"?',
    ]);
    expect(await refusalOf('["a red circle", "a red squar"]', { name: 'p.json', check })).toEqual([
      'TRIB_PROMPT',
      expect.stringContaining('p.json item 2 prompt "a red squar" word 3'),
    ]);
  });

  it('should name the lines of the others that it refuses too', async () => {
    const check = await shapesCheck();
    const [, three] = (await refusalOf('redd\na\ngren\nblu\n', { check })) ?? [];
    expect(three?.endsWith('got "redd". Did you mean "red"? Also refused: line 3, line 4.')).toBe(true);
    const [, many] = (await refusalOf('redd\n'.repeat(99), { check })) ?? [];
    expect(many?.endsWith('line 9, line 10, and more.')).toBe(true);
  });

  it('should say where a prompt is too long', async () => {
    const check = await shapesCheck();
    expect(await refusalOf(`${'a '.repeat(11)}\n`, { check })).toEqual([
      'TRIB_PROMPT',
      `prompts.txt:1 prompt "${'a '.repeat(11).trim()}": expected at most 10 words, got 11. Shorten it.`,
    ]);
    expect(await refusalOf(`a\n${'a'.repeat(4001)}`)).toEqual([
      'TRIB_PROMPT',
      'prompts.txt:2: expected a prompt of at most 4000 characters, got one of 4001. Shorten it; models read a few hundred words at most.',
    ]);
  });

  it.each([
    ['', 'p.txt'],
    ['\n\n', 'p.txt'],
    ['# only a comment\n', 'p.txt'],
    ['[]', 'p.json'],
    ['\n', 'p.jsonl'],
    ['prompt,weight\n', 'p.csv'],
    ['', 'p.csv'],
  ])('should refuse a file without a prompt: %j', async (content, name) => {
    expect(await refusalOf(content, { name })).toEqual([
      'TRIB_PROMPT',
      `${name}: expected at least one prompt, got none. Write one prompt a line.`,
    ]);
  });

  const bytes = (...parts: readonly (string | readonly number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
  it.each([
    [
      'Latin-1',
      'p.txt',
      bytes('a\r\nb\rcaf', [0xe9], '\n'),
      'p.txt:3: expected UTF-8, got bytes that are none',
    ],
    ['UTF-16 without a mark', 'p.txt', Buffer.from('a\nb', 'utf16le'), 'p.txt:1: expected text, got a NUL'],
    [
      'half a pair',
      'p.txt',
      bytes([0xff, 0xfe], [0x61, 0, 0x0a, 0, 0, 0xd8]),
      'p.txt:2: expected UTF-16, got half',
    ],
    ['half a unit', 'p.txt', bytes([0xfe, 0xff, 0]), 'p.txt: expected UTF-16, two bytes a unit, got 1 bytes'],
    ['JSON that ends', 'p.json', '["a",\n "b"', 'p.json:2: expected JSON, got the end of the text'],
    ['JSON with a comma', 'p.json', '[\n"a",\n]', 'p.json:3: expected JSON, got "]"'],
    ['another value', 'p.json', '3', 'p.json: expected a JSON list of prompts, got another value'],
    ['a line that is none', 'p.jsonl', '"a"\n{"prompt": b}', 'p.jsonl:2: expected JSON, got "b}"'],
    [
      'a number',
      'p.json',
      '["a", 3]',
      'p.json item 2: expected a text, or an object with the key prompt, got 3',
    ],
    ['another key', 'p.jsonl', '{"text": "a"}', 'p.jsonl:1: expected the key prompt, got the keys "text"'],
    ['no text', 'p.jsonl', '{"prompt": ["a"]}', 'p.jsonl:1 key prompt: expected a text, got ["a"]'],
    [
      'an empty text',
      'p.jsonl',
      '{"prompt": " "}',
      'p.jsonl:1 key prompt: expected a prompt, got an empty one',
    ],
    [
      'a text as weight',
      'p.jsonl',
      '{"prompt": "a", "weight": "2"}',
      'p.jsonl:1 key weight: expected a finite number of at least 0, got "2"',
    ],
    [
      'a weight below 0',
      'p.json',
      '[{"prompt": "a", "weight": -1}]',
      'p.json item 1 key weight: expected a finite number of at least 0, got -1',
    ],
    [
      'a cell that is no weight',
      'p.csv',
      'prompt,weight\na,1\nb,heavy\n',
      'p.csv:3 key weight: expected a finite number of at least 0, got "heavy"',
    ],
    [
      'weights of 0 alone',
      'p.csv',
      'prompt,weight\na,0\n',
      'p.csv: expected at least one prompt, got 1 of weight 0',
    ],
    [
      'half a character',
      'p.json',
      '["\\ud800"]',
      'p.json item 1: expected whole characters, got half of a surrogate pair',
    ],
    [
      'a number that is rounded',
      'p.jsonl',
      '{"prompt": "a", "id": 12345678901234567890}',
      'p.jsonl:1: expected a number that a float64 holds, or text in quotes, got 12345678901234567890',
    ],
    [
      'a negative prompt that is no text',
      'p.json',
      '[{"prompt": "a", "negative_prompt": 3}]',
      'p.json item 1 metadata: expected a negativePrompt that is a text of at most 4000 characters, got 3',
    ],
    [
      'much metadata',
      'p.json',
      JSON.stringify([{ prompt: 'a', x: 'é'.repeat(9000) }]),
      'p.json item 1 metadata: expected a JSON object of at most 16384 bytes, got one of 18008',
    ],
    [
      'a deep list',
      'p.json',
      `${'['.repeat(100_000)}`,
      'p.json:1: expected at most 64 lists and objects inside each other, got more',
    ],
    [
      'no header',
      'p.csv',
      'a red ball\na cat\n',
      'p.csv:1: expected a header with the column prompt, separated by commas, got "a red ball"',
    ],
    [
      'another separator',
      'p.csv',
      'prompt;weight\na;1\n',
      'p.csv:1: expected a header with the column prompt, separated by commas, got "prompt;weight"',
    ],
    [
      'a column twice',
      'p.tsv',
      'prompt\tx\tx\na\t1\t2\n',
      'p.tsv:1: expected columns with different names, got "x" twice',
    ],
    [
      'a bare comma',
      'p.csv',
      'prompt,x\n"a\nb",1\na cat, red,2\n',
      'p.csv:4: expected 2 cells, as in the header, got 3',
    ],
    ['a quote that stays open', 'p.csv', 'prompt\n"a\nb\n', 'p.csv:2: expected quotes around a whole cell'],
    [
      'a quote inside quotes',
      'p.csv',
      'prompt\na\n"a "red" cat"\n',
      'p.csv:3: expected quotes around a whole cell',
    ],
    [
      'JSON in plain text',
      'p.txt',
      'a cat\n{"prompt": "a dog"}\n',
      'p.txt:2: expected a prompt, got what begins like a JSON object',
    ],
    [
      'a damaged object in a text file',
      'p.txt',
      '{"prompt": "a cat\n',
      'p.txt:1: expected JSON, got the end of the text',
    ],
    [
      'a header in a text file',
      'p.txt',
      '# list\nprompt\tweight\na\t1\n',
      'p.txt:2: expected a prompt, got what looks like the header of a table',
    ],
    [
      'a header in capitals',
      'p.txt',
      'Prompt\na red ball\n',
      'p.txt:1: expected a prompt, got what looks like the header of a table',
    ],
    [
      'a header of one column',
      'prompts',
      'prompt\na\n',
      'prompts:1: expected a prompt, got what looks like the header of a table',
    ],
  ])('should refuse %s', async (_, name, content, message) => {
    const [code, text] = await refusalOf(content, { name });
    expect(code).toBe('TRIB_PROMPT');
    expect(text).toContain(message);
  });

  it('should refuse a file that is not there, or is vast', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'p.txt');
    const readIt = () => readPromptFile(path, { comments: true, check: () => {} });
    expect(await faultOf(readIt)).toEqual([
      'TRIB_FILE',
      `${path}: expected a prompt file, got ENOENT. Correct the path under stages.prompts.`,
    ]);
    await writeFile(path, '');
    await truncate(path, 2 ** 26 + 1);
    expect(await faultOf(readIt)).toEqual([
      'TRIB_FILE',
      `${path}: expected a prompt file, got one of 67108865 bytes, more than 67108864. Correct the path under stages.prompts.`,
    ]);
  });
});
