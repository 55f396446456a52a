/** @file Added tokens: texts with one id each that are taken out of a prompt before it is split into words. */

/** A token with the flags of Hugging Face's `AddedToken`. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Only where no letter, digit or underscore stands beside it. */
  readonly singleWord: boolean;
  /** Takes the blanks on its left with it. */
  readonly lstrip: boolean;
  /** Takes the blanks on its right with it. */
  readonly rstrip: boolean;
  /** Whether its normalized content is looked for in the normalized text, or its content in the text as it stands. */
  readonly normalized: boolean;
}

/** What counts as part of a word in Rust's regular expressions, which `tokenizers` uses. */
const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';
const ENDS_WITH_WORD = new RegExp(`[${WORD}]$`, 'u');
const STARTS_WITH_WORD = new RegExp(`^[${WORD}]`, 'u');
const BLANKS_AT_END = /\p{White_Space}*$/u;
const BLANKS_AT_START = /^\p{White_Space}*/u;

interface AddedTokenSplitter {
  /** Splits a text into added tokens and the normalized stretches between them, in order. None of them is empty. */
  split(text: string): (AddedToken | string)[];
}

/**
 * Splits as the added vocabulary of Hugging Face's `tokenizers` does, in two passes: tokens that are not normalized in the
 * text as it stands, then the others in the normalized rest. The leftmost match wins; of several at one place the longest;
 * of equal ones the first in `tokens`. A match that `singleWord` rejects still consumes its characters.
 */
export function addedTokenSplitter(
  tokens: readonly AddedToken[],
  normalize: (text: string) => string,
): AddedTokenSplitter {
  const asTheyStand = matcher(
    tokens.filter(({ normalized }) => !normalized).map((token) => [token.content, token]),
  );
  const afterward = matcher(
    tokens.filter(({ normalized }) => normalized).map((token) => [normalize(token.content), token]),
  );
  return {
    split: (text) =>
      asTheyStand(text).flatMap((part) => (typeof part === 'string' ? afterward(normalize(part)) : [part])),
  };
}

function matcher(entries: readonly (readonly [string, AddedToken])[]) {
  const byContent = new Map<string, AddedToken>();
  for (const [content, token] of entries)
    if (content !== '' && !byContent.has(content)) byContent.set(content, token);
  const longestFirst = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapeRegExp).join('|'), 'gu');
  return (text: string): (AddedToken | string)[] => {
    if (byContent.size === 0) return text === '' ? [] : [text];
    const parts: (AddedToken | string)[] = [];
    let done = 0;
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = byContent.get(content);
      const [left, right] = [text.slice(0, index), text.slice(index + content.length)];
      if (!token || (token.singleWord && (ENDS_WITH_WORD.test(left) || STARTS_WITH_WORD.test(right))))
        continue;
      const start = token.lstrip ? Math.max(done, left.search(BLANKS_AT_END)) : index;
      if (start > done) parts.push(text.slice(done, start));
      parts.push(token);
      done = index + content.length + (token.rstrip ? (BLANKS_AT_START.exec(right)?.[0].length ?? 0) : 0);
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  };
}

const escapeRegExp = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
