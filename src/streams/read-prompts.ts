import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../errors.js';
import { loadTokenizer } from '../models/diffusion/tokenizer.js';
import { parsePrompt } from '../models/shapes/parse-prompt.js';
import { stageOf } from './config/stage-of.js';
import type { ResolvedConfig } from './config/topology-schema.js';

/** The prompts that a run trains on, and those that it only measures. */
export interface PromptLists {
  readonly train: readonly string[];
  readonly heldOut: readonly string[];
}

/**
 * Reads the prompt files of a config. The model must know every word, and the verifier, if there is one, every sentence.
 *
 * @throws as `readPrompts`.
 */
export async function readPromptLists(config: ResolvedConfig): Promise<PromptLists> {
  const check = promptCheck(config);
  const { train, heldOut } = stageOf(config, 'prompts');
  return { train: await readPrompts(train, check), heldOut: await readPrompts(heldOut, check) };
}

/** Returns what throws at a prompt that the model, or the verifier, cannot read. */
export function promptCheck(config: ResolvedConfig): (prompt: string) => void {
  const tokenizer = loadTokenizer(join(config.model.pipeline, 'tokenizer'));
  return (prompt) => {
    tokenizer.encode(prompt);
    if (config.evaluation.verifier === 'shapes') parsePrompt(prompt);
  };
}

/**
 * Reads a prompt file: one prompt a line; empty lines and lines that begin with # are left out. Every prompt is checked
 * by `check`, which throws at one that cannot be read: a misspelt one is found before anything is trained.
 *
 * @throws TRIB_PROMPT, naming the file and line, where there is no prompt or one that `check` refuses; TRIB_FILE.
 */
export async function readPrompts(path: string, check: (prompt: string) => void): Promise<string[]> {
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
      check(prompt);
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
