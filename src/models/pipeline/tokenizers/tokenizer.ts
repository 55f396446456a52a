import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { CLIP_TOKENIZER_CLASSES, loadClipTokenizer } from './clip-tokenizer.js';
import { loadOwnClipTokenizer } from './own-clip-tokenizer.js';
import type { Tokenizer } from './tokenizer-contract.js';
import { modelFault, readJson } from './tokenizer-files.js';
import { loadWordTokenizer, WORD_TOKENIZER_CLASS } from './word-tokenizer.js';

const classSchema = z.object({ tokenizer_class: z.string().nullish() });

/** The folder of a tokenizer, or CLIP's own, which comes with this program, with the token that it pads with. */
export type TokenizerSource = string | { readonly padToken: string };

/**
 * Loads the `tokenizer/` folder of a pipeline, by the class that its `tokenizer_config.json` names. Where it names none, or
 * is not there, files of CLIP's kind are CLIP's, as in a pipeline of diffusers. Without a folder
 * it is CLIP's own.
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if its content is not what the class needs.
 */
export function loadTokenizer(folder: TokenizerSource): Tokenizer {
  if (typeof folder !== 'string') return loadOwnClipTokenizer(folder.padToken);
  const configPath = join(folder, 'tokenizer_config.json');
  const isClip = ['merges.txt', 'tokenizer.json'].some((name) => existsSync(join(folder, name)));
  const config = isClip && !existsSync(configPath) ? null : readJson(configPath, classSchema);
  const name = config?.tokenizer_class ?? (isClip ? 'CLIPTokenizer' : null);
  if (name === WORD_TOKENIZER_CLASS) return loadWordTokenizer(folder);
  if (name !== null && CLIP_TOKENIZER_CLASSES.includes(name)) return loadClipTokenizer(folder);
  const known = [WORD_TOKENIZER_CLASS, ...CLIP_TOKENIZER_CLASSES].map((word) => `"${word}"`);
  throw modelFault(configPath, 'tokenizer_class', known.join(' or '), JSON.stringify(name));
}
