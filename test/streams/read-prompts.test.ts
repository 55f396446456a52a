import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/models/diffusion/tokenizer.js';
import { shapesTokenizerFiles } from '../../src/models/shapes/shapes-files.js';
import { readPrompts } from '../../src/streams/read-prompts.js';
import { faultOf } from '../fixtures/fault-of.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

async function read(content: string | null) {
  const folder = await temporaryFolder();
  for (const [name, text] of Object.entries(shapesTokenizerFiles()))
    await writeFile(join(folder, name), text);
  const path = join(folder, 'prompts.txt');
  if (content !== null) await writeFile(path, content);
  return { path, prompts: () => readPrompts(path, (prompt) => loadTokenizer(folder).encode(prompt)) };
}

describe('readPrompts', () => {
  it('should take one prompt a line, without comments, blanks and line ends of any system', async () => {
    const { prompts } = await read(
      '# three\n\n  a red circle \r\nthree green triangles\n\t\n#last\none blue square',
    );
    expect(await prompts()).toEqual(['a red circle', 'three green triangles', 'one blue square']);
  });

  it('should say where a word is unknown, and what it may have been', async () => {
    const { path, prompts } = await read('# list\na red circle\na red squar\n');
    expect(await faultOf(prompts)).toEqual([
      'TRIB_PROMPT',
      `${path}:3 prompt "a red squar" word 3: expected a word of the model's vocabulary, got "squar". Did you mean "square"?`,
    ]);
  });

  it('should say where a prompt is too long', async () => {
    const { path, prompts } = await read(`${'a '.repeat(11)}\n`);
    expect(await faultOf(prompts)).toEqual([
      'TRIB_PROMPT',
      `${path}:1 prompt "${'a '.repeat(11).trim()}": expected at most 10 words, got 11. Shorten it.`,
    ]);
  });

  it.each(['', '\n\n', '# only a comment\n'])(
    'should refuse a file without a prompt: %j',
    async (content) => {
      const { path, prompts } = await read(content);
      expect(await faultOf(prompts)).toEqual([
        'TRIB_PROMPT',
        `${path}: expected at least one prompt, got none. Write one prompt a line.`,
      ]);
    },
  );

  it('should refuse a file that is not there', async () => {
    const { path, prompts } = await read(null);
    expect(await faultOf(prompts)).toEqual([
      'TRIB_FILE',
      `${path}: expected a prompt file, got ENOENT. Correct the path under stages.prompts.`,
    ]);
  });
});
