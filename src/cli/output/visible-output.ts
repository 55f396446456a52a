/**
 * @file The program prints text from strangers: prompts, answers of services, names in model files. A terminal would obey
 * control characters in it, so standard output and standard error show each as an escape.
 */

/** What a terminal must offer to be written to. */
interface Writable {
  write(text: string): unknown;
}

/**
 * C0 and C1 controls (ECMA-48, section 5) and DEL, but for tabs and ends of lines; the marks that turn the direction of text
 * (Unicode Standard Annex 9, section 2) and its two separators, which some viewers take for ends of lines.
 */
const INVISIBLE = /\r(?!\n)|(?![\t\n\r])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * Returns a text with every control character as `\u001b`. That is how JSON writes it too: inside a line of JSON, where such
 * characters stand in strings alone, the escape means the character, and nothing is lost.
 */
export function visible(text: string): string {
  return text.replace(
    INVISIBLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const UNGUARDED = new WeakMap<object, (text: string) => unknown>();

/** From now on, all that is written to the stream is visible; twice is once. */
export function guardOutput(stream: NodeJS.WriteStream): void {
  if (UNGUARDED.has(stream)) return;
  const write = stream.write.bind(stream) as (chunk: string | Uint8Array, ...rest: unknown[]) => boolean;
  UNGUARDED.set(stream, write);
  const guarded = (chunk: string | Uint8Array, ...rest: unknown[]) => write(visibleChunk(chunk), ...rest);
  stream.write = guarded as typeof stream.write;
}

/** Writes as it is what the program itself means for a terminal: the erasing of a line. */
export function writeControl(terminal: Writable, text: string): void {
  const write = UNGUARDED.get(terminal);
  if (write) write(text);
  else terminal.write(text);
}

/** What threads print comes as bytes. */
function visibleChunk(chunk: string | Uint8Array): string | Uint8Array {
  if (typeof chunk === 'string') return visible(chunk);
  const text = new TextDecoder().decode(chunk);
  const shown = visible(text);
  return shown === text ? chunk : shown;
}
