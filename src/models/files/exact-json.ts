/** @file Parses JSON from outside without loss: a number that a float64 cannot hold is rejected, not rounded. */

/** What is wrong with a JSON text, as a phrase `expected ..., got ...`. */
export class JsonFault extends Error {
  constructor(
    readonly expected: string,
    readonly got: string,
    /** Index of the character at fault. */
    readonly at: number,
    /** True if it is not JSON at all, false if it is JSON that is rejected here. */
    readonly isSyntax = false,
  ) {
    super(`expected ${expected}, got ${got}`);
  }
}

/** Deepest nesting of lists and objects: code that copies or writes a value recurses as deep. */
const MAX_DEPTH = 64;
const NUMBER = /-?\d+(\.\d+)?([eE][-+]?\d+)?/y;

/**
 * Parses JSON whose numbers JavaScript holds as they are written: integers within 2^53 or in the form that JavaScript writes,
 * and other numbers if they are finite. So it reads everything that `JSON.stringify` writes. That writes -0 as 0, so -0 is
 * read as 0: a value that is written and read again stays the same.
 *
 * Errors: JsonFault, with the position.
 */
export function parseExactJson(text: string): unknown {
  requireExact(text);
  try {
    return text.includes('-') ? JSON.parse(text, withoutNegativeZero) : JSON.parse(text);
  } catch {
    const at = positionOfFault(text);
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
      if (depth > MAX_DEPTH)
        throw new JsonFault(`at most ${MAX_DEPTH} lists and objects inside each other`, 'more', at);
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
 * Where a text stops being the beginning of valid JSON. The engine does not always name the position; but it rejects a text
 * that ends before it for ending too early, and a longer text for something else, so a binary search finds it.
 */
function positionOfFault(text: string): number {
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
