import { readFile } from 'node:fs/promises';
import { TributaryError } from '../errors.js';
import type { Tokenizer } from '../models/diffusion/tokenizer.js';

/**
 * Reads a prompt file: one prompt a line; empty lines and lines that begin with # are left out. Every prompt is checked
 * against the tokenizer, so that a misspelt one is found before anything is trained.
 *
 * @throws TRIB_PROMPT, naming the file and line, where there is no prompt or one that the model cannot read; TRIB_FILE.
 */
export async function readPrompts(path: string, tokenizer: Tokenizer): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected a prompt file, got ${cause.code ?? cause.message}. Correct the path under stages.prompts.`,
      { cause },
    );
  });
  const prompts: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const prompt = line.trim();
    if (prompt === '' || prompt.startsWith('#')) continue;
    try {
      tokenizer.encode(prompt);
    } catch (cause) {
      throw new TributaryError(
        'TRIB_PROMPT',
        `${path}:${index + 1} ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    prompts.push(prompt);
  }
  if (prompts.length > 0) return prompts;
  throw new TributaryError(
    'TRIB_PROMPT',
    `${path}: expected at least one prompt, got none. Write one prompt a line.`,
  );
}
