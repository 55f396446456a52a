/**
 * @file Where the Unicode tables of Hugging Face's `tokenizers` (0.22.2 and 0.23.3) are older than Node's. Its regular
 * expressions have Unicode 16 and its normalizer Unicode 12; both treat newer characters as unassigned. The lists were found
 * by asking them about every code point, next to Node with Unicode 17. A Node with Unicode 15 lacks the letters of 16.
 */

/** Code points in hexadecimal, or ranges of them, as a class of regular expressions. */
const characterClass = (ranges: readonly string[]) =>
  ranges
    .join(' ')
    .split(' ')
    .map((range) => range.replace(/[0-9a-f]+/g, '\\u{$&}'))
    .join('');

/** Letters and numbers that count as symbols. */
export const UNKNOWN_LETTERS = characterClass([
  '88f c5c cdc a7ce-a7cf a7d2 a7d4 a7f1 10940-10959 10ec5-10ec7 11db0-11ddb 11de0-11de9 16ea0-16eb8',
  '16ebb-16ed3 16ff2-16ff6 187f8-187ff 18d09-18d1e 18d80-18df2 1e6c0-1e6de 1e6e0-1e6e2 1e6e4-1e6e5',
  '1e6e7-1e6ed 1e6f0-1e6f4 1e6fe-1e6ff 2b73a-2b73f 2cea2-2cead 323b0-33479',
]);

/** Marks, and letters composed with them, that are neither moved nor joined. */
const UNKNOWN_MARKS = new RegExp(
  `([${characterClass([
    '7fd 897-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1add 1ae0-1aeb 1df6-1dfa a82c 105d2 105da 10d24-10d27',
    '10d69-10d6d 10eab-10eac 10efa-10efb 10efd-10eff 10f46-10f50 10f82-10f85 11070 1133b 11382 11384 1138b',
    '11390 113c2 113ce-113d0 1145e 11839-1183a 11935 1193d-1193e 11943 119e0 11a34 11a47 11a99 11d42',
    '11d44-11d45 11d97 11f41-11f42 1611e-1612f 16d63-16d6a 16ff0-16ff1 1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef',
    '1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5',
  ])}])`,
  'u',
);

/** Composes characters (NFC). One that the tables do not have stays as it is, and is not joined with those around it. */
export const compose = (text: string): string =>
  text
    .split(UNKNOWN_MARKS)
    .map((part) => part.normalize('NFC'))
    .join('');
