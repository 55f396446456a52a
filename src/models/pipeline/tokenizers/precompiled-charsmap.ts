/** @file The normalization that sentencepiece compiles into a table: texts, and what stands in their place. */

/** Bytes of a grapheme from which on its characters are looked up one by one. */
const LONG_GRAPHEME = 6;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Returns the normalizer of a `precompiled_charsmap`, as `tokenizers` applies it: a grapheme of less than 6 bytes is replaced
 * as a whole, by the entry of its shortest prefix that has one; in others each character is; the rest stays.
 *
 * Format: base64 of the length of a double-array trie in bytes (uint32, little-endian), its units (uint32), and the
 * replacements in UTF-8, each ended by 0. A unit (github.com/s-yata/darts-clone) holds a label, an offset to its children, and
 * whether one of them is a value: the place of a replacement.
 *
 * @returns null where these bytes are no such table.
 */
export function precompiledNormalizer(base64: string): ((text: string) => string) | null {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length < 8) return null;
  const trieLength = bytes.readUInt32LE(0);
  if (trieLength < 4 || trieLength % 4 !== 0 || 4 + trieLength > bytes.length) return null;
  const units = Uint32Array.from({ length: trieLength / 4 }, (_, index) => bytes.readUInt32LE(4 + 4 * index));
  const replacements = bytes.subarray(4 + trieLength);
  const replace = (text: string): string => {
    const place = shortestPrefix(units, Buffer.from(text));
    if (place === null) return text;
    const end = replacements.indexOf(0, place);
    return replacements.toString('utf8', place, end === -1 ? undefined : end);
  };
  const whole = (grapheme: string): string =>
    Buffer.byteLength(grapheme) < LONG_GRAPHEME && replace(grapheme) !== grapheme
      ? replace(grapheme)
      : [...grapheme].map(replace).join('');
  return (text) => [...graphemes.segment(text)].map(({ segment }) => whole(segment)).join('');
}

/** The value of the shortest prefix of a key that is in the trie; null if none is. */
function shortestPrefix(units: Uint32Array, key: Uint8Array): number | null {
  const unitAt = (position: number) => units[position] ?? 0;
  const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let position = offset(unitAt(0));
  for (const byte of key) {
    position ^= byte;
    const unit = unitAt(position);
    if (byte === 0 || (unit & 0x8000_00ff) >>> 0 !== byte) return null;
    position ^= offset(unit);
    const isEnd = (unit & 0x100) !== 0;
    if (isEnd) return unitAt(position) & 0x7fff_ffff;
  }
  return null;
}
