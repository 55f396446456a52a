import { closest } from 'fastest-levenshtein';
import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import {
  COLORS,
  COUNT_WORDS,
  type Color,
  formatPrompt,
  isSameKind,
  type ObjectKind,
  type ParsedPrompt,
  pluralOf,
  RELATIONS,
  SHAPES,
  type Shape,
  WORDS,
} from './grammar.js';

/**
 * Reads a prompt of the `shapes` grammar; upper case and extra blanks do not matter.
 *
 * Errors: TRIB_PROMPT if the text is empty, has an unknown word (the message names the nearest known one), fits none of
 * the three templates, or asks for the same object twice.
 *
 * @example
 * parsePrompt('two red circles'); // { template: 'counting', count: 2, kind: { color: 'red', shape: 'circle' } }
 */
export function parsePrompt(text: string): ParsedPrompt {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    throw new TributaryError(
      'TRIB_PROMPT',
      `prompt: expected words, got an empty text. Write one such as "a red circle and a blue square".`,
    );
  }
  for (const [index, word] of words.entries()) {
    if (!WORDS.includes(word)) {
      throw new TributaryError(
        'TRIB_PROMPT',
        `prompt "${text}" word ${index + 1}: expected a known word, got "${word}". Did you mean "${closest(word, [...WORDS])}"?`,
      );
    }
  }
  return parseCounting(text, words) ?? parseTwoObjects(text, words);
}

/** Reads a prompt as `parsePrompt` does, but returns nothing for one that is not of the grammar. */
export function parsePromptOrNull(text: string): ParsedPrompt | null {
  try {
    return parsePrompt(text);
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'TRIB_PROMPT') return null;
    throw error;
  }
}

function parseCounting(text: string, words: readonly string[]): ParsedPrompt | null {
  const count = (COUNT_WORDS as readonly string[]).indexOf(at(words, 0)) + 1;
  if (count === 0) return null;
  const color = asColor(words[1]);
  const shape = asShape(words[2]) ?? SHAPES.find((candidate) => pluralOf(candidate) === words[2]);
  if (color === undefined || shape === undefined || words.length !== 3) throw noTemplate(text);
  const parsed: ParsedPrompt = { template: 'counting', count, kind: { color, shape } };
  const expected = formatPrompt(parsed);
  if (words.join(' ') !== expected) {
    throw new TributaryError(
      'TRIB_PROMPT',
      `prompt "${text}": expected the number of the noun to fit the count, got "${words[2]}". Write "${expected}".`,
    );
  }
  return parsed;
}

function parseTwoObjects(text: string, words: readonly string[]): ParsedPrompt {
  const first = asObject(words.slice(0, 3));
  const second = asObject(words.slice(-3));
  const joint = words.slice(3, -3).join(' ');
  if (first === undefined || second === undefined) throw noTemplate(text);
  const relation = RELATIONS.find((candidate) => candidate === joint);
  if (relation === undefined && joint !== 'and') throw noTemplate(text);
  if (isSameKind(first, second)) {
    throw new TributaryError(
      'TRIB_PROMPT',
      `prompt "${text}": expected two objects that differ, got the same one twice. Change a color or a shape, or count it: "two ${first.color} ${pluralOf(first.shape)}".`,
    );
  }
  return relation === undefined
    ? { template: 'binding', first, second }
    : { template: 'relation', first, relation, second };
}

function asObject([article, colorWord, shapeWord]: readonly string[]): ObjectKind | undefined {
  const color = asColor(colorWord);
  const shape = asShape(shapeWord);
  return article === 'a' && color !== undefined && shape !== undefined ? { color, shape } : undefined;
}

function asColor(word: string | undefined): Color | undefined {
  return COLORS.find((color) => color === word);
}

function asShape(word: string | undefined): Shape | undefined {
  return SHAPES.find((shape) => shape === word);
}

function noTemplate(text: string): TributaryError {
  return new TributaryError(
    'TRIB_PROMPT',
    `prompt "${text}": expected one of the three templates, got another order of words. Write it like "a red circle and a blue square", "three green triangles" or "a red circle above a blue square".`,
  );
}
