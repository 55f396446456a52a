/** @file JSON of strangers, read without loss: a number that a float64 cannot hold is refused in place of rounded. */

/** What is wrong with a JSON text, as a phrase `expected ..., got ...`. */
export class JsonFault extends Error {
  constructor(
    readonly expected: string,
    readonly got: string,
    /** Index of the character at fault. */
    readonly at: number,
    /** Whether it is no JSON at all; else it holds what is refused here. */
    readonly isSyntax = false,
  ) {
    super(`expected ${expected}, got ${got}`);
  }
}

/** Lists and objects inside each other at most. What copies or writes a value recurs as deep as it is. */
const DEEPEST = 64;
const NUMBER = /-?\d+(\.\d+)?([eE][-+]?\d+)?/y;

/**
 * Parses JSON whose values JavaScript holds as they are written: whole numbers within 2^53 or as JavaScript writes them, and
 * finite ones. So what `JSON.stringify` has written is always read. It writes -0 as 0, so -0 is read as 0: a value that is
 * written and read again is the same.
 *
 * **Errors**: JsonFault, with the place.
 */
export function parseExactJson(text: string): unknown {
  requireExact(text);
  try {
    return text.includes('-') ? JSON.parse(text, withoutNegativeZero) : JSON.parse(text);
  } catch {
    const at = placeOfFault(text);
    const got = at < text.length ? JSON.stringify(text.slice(at, at + 20)) : 'the end of the text';
    throw new JsonFault('JSON', got, at, true);
  }
}

const withoutNegativeZero = (_key: string, value: unknown): unknown => (value === 0 ? 0 : value);

function requireExact(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"') at = endOfString(text, at);
    else if (char === '[' || char === '{') {
      depth++;
      if (depth > DEEPEST)
        throw new JsonFault(`at most ${DEEPEST} lists and objects inside each other`, 'more', at);
    } else if (char === ']' || char === '}') depth--;
    else if (char === '-' || (char >= '0' && char <= '9')) {
      NUMBER.lastIndex = at;
      const [number, fraction, exponent] = NUMBER.exec(text) ?? [];
      if (number === undefined) continue;
      const isWhole = fraction === undefined && exponent === undefined;
      const value = Number(number);
      const isHeld = isWhole
        ? Number.isSafeInteger(value) || String(value) === number
        : Number.isFinite(value);
      if (!isHeld)
        throw new JsonFault('a number that a float64 holds, or text in quotes', number.slice(0, 40), at);
      at += number.length - 1;
    }
  }
}

/** Index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}

/**
 * Where a text stops being the beginning of any JSON. The engine does not always name the place: but what comes before it
 * is refused for its end, and what includes it is refused for itself.
 */
function placeOfFault(text: string): number {
  let [sound, faulty] = [0, text.length + 1];
  while (faulty - sound > 1) {
    const middle = Math.floor((sound + faulty) / 2);
    if (isBeginning(text.slice(0, middle))) sound = middle;
    else faulty = middle;
  }
  return sound;
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const [, position] = /at position (\d+)/.exec(message) ?? [];
    return /end of JSON input|Unterminated string/.test(message) || Number(position) >= text.length;
  }
}
