/** @file The tokens of textual inversions, as diffusers adds them to CLIP's tokenizer. */
import { TributaryError } from '../../../errors.js';
import type { DeclaredToken } from './special-tokens.js';
import type { TokenVectors } from './tokenizer-contract.js';

/**
 * Returns the tokens of inversions: `<cat>` for the first vector, `<cat>_1` for the second, and so on, without flags. So they
 * are found in the normalized text, in upper or lower case, and within words, as `load_textual_inversion` of diffusers has it.
 *
 * Errors: TRIB_MODEL, naming the file, for a token that is there, and for more than `most` vectors.
 */
export function inversionTokens(
  inversions: readonly TokenVectors[],
  isThere: (token: string) => boolean,
  most: number,
): readonly DeclaredToken[] {
  const owners = new Map<string, string>();
  for (const { token, count, path } of inversions) {
    if (count > most) {
      const text = `${path}: expected at most ${most} vectors for "${token}", which is what a prompt has room for, got ${count}. Use an embedding of fewer vectors.`;
      throw new TributaryError('TRIB_MODEL', text);
    }
    // Where a longer inversion of that name was there, its vectors would follow those of this one.
    for (const content of [token, ...Array.from({ length: count }, (_, index) => `${token}_${index + 1}`)]) {
      const owner = owners.get(content) ?? (isThere(content) ? 'the vocabulary of the model' : undefined);
      if (owner !== undefined) throw taken(path, content, owner);
    }
    owners.set(token, path);
    for (let index = 1; index < count; index++) owners.set(`${token}_${index}`, path);
  }
  const plain = { singleWord: false, lstrip: false, rstrip: false, normalized: true, declared: null };
  return [...owners.keys()].map((content) => ({ content, ...plain }));
}

function taken(path: string, token: string, owner: string): TributaryError {
  const text = `${path}: expected a new token, got "${token}", which is in ${owner}. Give it another one: <token>=<file> with --embedding, or a mapping in model.embeddings.`;
  return new TributaryError('TRIB_MODEL', text);
}
