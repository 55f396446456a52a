import { isUtf8 } from 'node:buffer';
import { promptFault } from './prompt-row.js';

const LINE_END = /\r\n|\n|\r/g;
const AS_UTF8 = 'Save the file as UTF-8, or as UTF-16 with a byte order mark.';

/**
 * Decodes a text file: UTF-8 with or without a byte order mark, or UTF-16 of either byte order with one. Line ends of any
 * system (CRLF, lone CR) come out as LF.
 *
 * Errors: TRIB_PROMPT, naming the first line that is not such text.
 */
export function decodeText(path: string, bytes: Buffer): string {
  const [first, second, third] = bytes;
  if (first === 0xff && second === 0xfe) return plainLines(path, utf16(path, bytes.subarray(2)));
  if (first === 0xfe && second === 0xff)
    return plainLines(path, utf16(path, swapped(path, bytes.subarray(2))));
  const text = first === 0xef && second === 0xbb && third === 0xbf ? bytes.subarray(3) : bytes;
  if (!isUtf8(text)) throw notUtf8(path, text);
  return plainLines(path, text.toString('utf8'));
}

function plainLines(path: string, text: string): string {
  const at = text.indexOf('\0');
  if (at >= 0)
    throw promptFault(`${path}:${lineAt(text, at)}`, {
      expected: 'text',
      got: 'a NUL character',
      nextStep: AS_UTF8,
    });
  return text.replace(LINE_END, '\n');
}

function notUtf8(path: string, bytes: Buffer) {
  let line = 1;
  let start = 0;
  for (let end = 0; end <= bytes.length; end++) {
    const byte = bytes[end];
    if (byte !== 0x0a && byte !== 0x0d && byte !== undefined) continue;
    if (!isUtf8(bytes.subarray(start, end))) break;
    if (byte === 0x0d && bytes[end + 1] === 0x0a) end++;
    start = end + 1;
    line++;
  }
  return promptFault(`${path}:${line}`, { expected: 'UTF-8', got: 'bytes that are none', nextStep: AS_UTF8 });
}

/** A copy with the bytes of each pair exchanged. */
function swapped(path: string, bytes: Buffer): Buffer {
  requirePairs(path, bytes);
  return Buffer.from(bytes).swap16();
}

function utf16(path: string, bytes: Buffer): string {
  requirePairs(path, bytes);
  const text = bytes.toString('utf16le');
  const lone = text.search(/\p{Surrogate}/u);
  if (lone < 0) return text;
  throw promptFault(`${path}:${lineAt(text, lone)}`, {
    expected: 'UTF-16',
    got: 'half of a surrogate pair',
    nextStep: AS_UTF8,
  });
}

function requirePairs(path: string, bytes: Buffer): void {
  if (bytes.length % 2 === 0) return;
  throw promptFault(path, {
    expected: 'UTF-16, two bytes a unit',
    got: `${bytes.length} bytes behind the mark`,
    nextStep: AS_UTF8,
  });
}

/** Number of the line, from 1, that a character lies in. */
export function lineAt(text: string, at: number): number {
  return (text.slice(0, at).match(LINE_END)?.length ?? 0) + 1;
}

/** The lines of decoded text; nothing follows the last line end. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
