import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { type ErrorCode, TributaryError } from '../../errors.js';

/** Turns prompts into the token ids that a pipeline's text encoder takes. */
export interface Tokenizer {
  /** Ids a prompt, padding included. */
  readonly modelMaxLength: number;
  /** Number of ids; each id is below it. */
  readonly vocabSize: number;
  readonly padTokenId: number;
  /**
   * Returns `[modelMaxLength] int32`: bos, one id a word, eos, padding. The empty prompt is bos, eos, padding: the
   * unconditional one of classifier-free guidance. Upper case and extra blanks do not matter.
   *
   * Errors: TRIB_PROMPT on an unknown word (the nearest known one is named) and on too many words.
   */
  encode(text: string): Int32Array;
}

const vocabSchema = z.record(z.string(), z.int().nonnegative());

const configSchema = z.object({
  tokenizer_class: z.string(),
  model_max_length: z.int().min(2),
  bos_token: z.string(),
  eos_token: z.string(),
  pad_token: z.string(),
  unk_token: z.string(),
});

/** The content of a word tokenizer's `tokenizer_config.json`, with the keys of Hugging Face. */
export type WordTokenizerConfig = z.infer<typeof configSchema>;

/** The one class that is read; the name says that no merges or sub-words are involved. */
export const WORD_TOKENIZER_CLASS = 'WordTokenizer';

/**
 * Loads the `tokenizer/` folder of a pipeline: `vocab.json` (token to id) and `tokenizer_config.json`.
 *
 * Deviation from Hugging Face: an unknown word is an error, not `unk_token`; a misspelt prompt is to be mended, not
 * trained on. The unknown token keeps its id for programs that read the folder otherwise.
 *
 * Errors: TRIB_FILE when a file cannot be read; TRIB_MODEL when its content is not what is said above.
 */
export function loadTokenizer(folder: string): Tokenizer {
  const configPath = join(folder, 'tokenizer_config.json');
  const vocabPath = join(folder, 'vocab.json');
  const config = readJson(configPath, configSchema);
  if (config.tokenizer_class !== WORD_TOKENIZER_CLASS) {
    throw modelFault(
      configPath,
      'tokenizer_class',
      `"${WORD_TOKENIZER_CLASS}"`,
      `"${config.tokenizer_class}"`,
    );
  }
  const vocab = new Map(Object.entries(readJson(vocabPath, vocabSchema)));
  const ids = new Set(vocab.values());
  if (ids.size !== vocab.size || Math.max(...ids) !== vocab.size - 1) {
    throw modelFault(
      vocabPath,
      'ids',
      `0 to ${vocab.size - 1}, each once`,
      `${ids.size} ids up to ${Math.max(...ids)}`,
    );
  }
  const specialTokens = [config.bos_token, config.eos_token, config.pad_token, config.unk_token];
  const specialId = (token: string): number => {
    const id = vocab.get(token);
    if (id === undefined)
      throw modelFault(vocabPath, 'tokens', `the special token "${token}"`, 'none of that name');
    return id;
  };
  const [bosId = 0, eosId = 0, padTokenId = 0] = specialTokens.map(specialId);
  const words = [...vocab.keys()].filter((token) => !specialTokens.includes(token));
  return {
    modelMaxLength: config.model_max_length,
    vocabSize: vocab.size,
    padTokenId,
    encode(text) {
      const prompt = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
      if (prompt.length > config.model_max_length - 2) {
        throw new TributaryError(
          'TRIB_PROMPT',
          `prompt "${text}": expected at most ${config.model_max_length - 2} words, got ${prompt.length}. Shorten it.`,
        );
      }
      const encoded = new Int32Array(config.model_max_length).fill(padTokenId);
      encoded[0] = bosId;
      for (const [index, word] of prompt.entries()) {
        const id = specialTokens.includes(word) ? undefined : vocab.get(word);
        if (id === undefined) {
          throw new TributaryError(
            'TRIB_PROMPT',
            `prompt "${text}" word ${index + 1}: expected a word of the model's vocabulary, got "${word}". Did you mean "${closest(word, words)}"?`,
          );
        }
        encoded[index + 1] = id;
      }
      encoded[prompt.length + 1] = eosId;
      return encoded;
    },
  };
}

function readJson<Schema extends z.ZodType>(path: string, schema: Schema): z.infer<Schema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw fault(
      'TRIB_FILE',
      `${path}: expected a readable file, got ${reason}. Point to a complete pipeline folder.`,
      cause,
    );
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    const start = text.length > 20 ? `${text.slice(0, 20)}...` : text;
    throw fault(
      'TRIB_MODEL',
      `${path}: expected JSON, got ${JSON.stringify(start)}. Restore the file.`,
      cause,
    );
  }
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue?.path.length ? issue.path.join('.') : 'content';
  throw fault(
    'TRIB_MODEL',
    `${path} ${place}: ${issue?.message ?? 'unexpected content'}. Restore the file.`,
    result.error,
  );
}

function modelFault(path: string, thing: string, expected: string, got: string): TributaryError {
  return fault('TRIB_MODEL', `${path} ${thing}: expected ${expected}, got ${got}. Restore the file.`);
}

function fault(code: ErrorCode, message: string, cause?: unknown): TributaryError {
  return new TributaryError(code, message, cause === undefined ? {} : { cause });
}
