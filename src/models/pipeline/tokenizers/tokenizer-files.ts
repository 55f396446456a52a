/** @file Reading the files of a `tokenizer/` folder: every fault names the file and what was expected in it. */

import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import { standIn } from '../../files/stand-in.js';

/** An id beyond this is damage: the largest vocabularies have some 260,000 tokens. */
export const MAX_TOKEN_ID = 9_999_999;

/** Most ids of a prompt: CLIP takes 77, its longest descendants 248. */
const MAX_PROMPT_LENGTH = 1024;

/** Lengths from here on mean "no limit" in transformers, which writes 1e30. */
export const NO_LIMIT = 1e20;

/** `model_max_length` of a pipeline's tokenizer. */
export const promptLength = z
  .number()
  .refine((length) => Number.isInteger(length) && length >= 2 && length <= MAX_PROMPT_LENGTH, {
    error: ({ input }) =>
      `expected 2 to ${MAX_PROMPT_LENGTH} ids per prompt, the number of positions of the text encoder (max_position_embeddings in its config.json; 77 for CLIP), got ${String(input)}`,
  });

/** Reads a JSON file. Errors: TRIB_FILE if it cannot be read; TRIB_MODEL if its content does not fit the schema. */
export function readJson<Schema extends z.ZodType>(path: string, schema: Schema): z.infer<Schema> {
  const text = readText(path);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    const other = standIn(new TextEncoder().encode(text.slice(0, 8)));
    if (other)
      throw new TributaryError('TRIB_MODEL', `${path}: expected JSON, got ${other.got}. ${other.nextStep}`);
    const got = JSON.stringify(text.length > 20 ? `${text.slice(0, 20)}...` : text);
    throw new TributaryError('TRIB_MODEL', `${path}: expected JSON, got ${got}. Restore the file.`, {
      cause,
    });
  }
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue?.path.length ? issue.path.join('.') : 'content';
  const fault = `${path} ${place}: ${issue?.message ?? 'unexpected content'}. Restore the file.`;
  throw new TributaryError('TRIB_MODEL', fault, { cause: result.error });
}

/** The fault of a file with unusable content. */
export function modelFault(path: string, thing: string, expected: string, got: string): TributaryError {
  const text = `${path} ${thing}: expected ${expected}, got ${got}. Restore the file.`;
  return new TributaryError('TRIB_MODEL', text);
}

/** Errors: TRIB_FILE if the file cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const text = `${path}: expected a readable file, got ${reason}. Point to a complete pipeline folder.`;
    throw new TributaryError('TRIB_FILE', text, { cause });
  }
}
