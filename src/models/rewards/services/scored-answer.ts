/** @file What a module or a service says of pictures, which is not trusted: rewards, and vectors where it has some. */

import { inWords, type Quote } from './value-in-words.js';

/** Lengths of vectors that a message shows at most. */
const MOST_LENGTHS = 10;

export interface ScoredAnswer {
  /** One finite number a picture. */
  readonly rewards: readonly number[];
  /** One a picture, of at least one finite number each; undefined where there are none. */
  readonly vectors: readonly (readonly number[])[] | undefined;
}

/** What was expected of an answer, and what came instead. */
export interface AnswerFault {
  readonly expected: string;
  readonly got: string;
}

export interface AnswerForm {
  /** Pictures that were asked about. */
  readonly count: number;
  /** What the answer calls its vectors. */
  readonly vectors: 'features' | 'embeddings';
  /** Whether the rewards alone are an answer too. */
  readonly isListAllowed: boolean;
  readonly quote: Quote;
}

/**
 * Reads an answer, or says what is wrong with it. Only the first fault is looked for: an answer of millions of wrong values
 * costs no more than one of them.
 */
export function readScoredAnswer(value: unknown, form: AnswerForm): ScoredAnswer | AnswerFault {
  const { vectors: name, isListAllowed, quote } = form;
  if (isListAllowed && listOf(value) !== null) {
    const rewards = readRewards(value, 'index', form);
    return 'expected' in rewards ? rewards : { rewards, vectors: undefined };
  }
  const isMapping =
    typeof value === 'object' && value !== null && listOf(value) === null && 'rewards' in value;
  if (!isMapping) {
    const expected = isListAllowed
      ? `a list of finite numbers, or { rewards, ${name} }`
      : 'a mapping with `rewards`';
    return { expected, got: inWords(value, quote) };
  }
  const answer = value as Readonly<Record<string, unknown>>;
  const rewards = readRewards(answer.rewards, 'rewards', form);
  if ('expected' in rewards) return rewards;
  // A module or service whose fields are fixed says null where it has none.
  if (answer[name] === undefined || answer[name] === null) return { rewards, vectors: undefined };
  const vectors = readVectors(answer[name], form);
  return 'expected' in vectors ? vectors : { rewards, vectors };
}

/** Returns what is wrong with vectors that are not all of one length; null where they are. */
export function lengthsFault(
  name: AnswerForm['vectors'],
  vectors: readonly (readonly number[])[],
): AnswerFault | null {
  const lengths = [...new Set(vectors.map(({ length }) => length))];
  if (lengths.length <= 1) return null;
  return { expected: `${name} of one length`, got: `lengths ${lengths.slice(0, MOST_LENGTHS).join(', ')}` };
}

/**
 * A list as an array: an array as it is, a typed array of numbers copied. BigInt64Array and BigUint64Array hold no numbers:
 * which of their values a number can hold is for their owner to decide.
 */
function listOf(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return null;
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) return null;
  return Array.from(value as unknown as ArrayLike<number>);
}

function readRewards(
  value: unknown,
  place: 'index' | 'rewards',
  { count, quote }: AnswerForm,
): readonly number[] | AnswerFault {
  const list = listOf(value);
  if (list === null) return { expected: `a list of numbers at ${place}`, got: inWords(value, quote) };
  if (list.length !== count) return { expected: `${count} rewards, one a picture`, got: String(list.length) };
  const at = (index: number) => (place === 'index' ? `index ${index}` : `${place}[${index}]`);
  return numberFault(list, at, quote) ?? (list as readonly number[]);
}

function readVectors(
  value: unknown,
  { count, vectors: name, quote }: AnswerForm,
): readonly (readonly number[])[] | AnswerFault {
  const list = listOf(value);
  if (list === null) return { expected: `a list of lists of numbers at ${name}`, got: inWords(value, quote) };
  if (list.length !== count) return { expected: `${count} ${name}, one a picture`, got: String(list.length) };
  const rows: (readonly number[])[] = [];
  for (const [index, item] of list.entries()) {
    const place = `${name}[${index}]`;
    const row = listOf(item);
    if (row === null) return { expected: `a list of numbers at ${place}`, got: inWords(item, quote) };
    if (row.length === 0) return { expected: `at least one number at ${place}`, got: 'none' };
    const fault = numberFault(row, (column) => `${place}[${column}]`, quote);
    if (fault) return fault;
    rows.push(row as readonly number[]);
  }
  return rows;
}

function numberFault(
  list: readonly unknown[],
  placeOf: (index: number) => string,
  quote: Quote,
): AnswerFault | null {
  const wrong = list.findIndex((item) => !Number.isFinite(item));
  if (wrong < 0) return null;
  return { expected: `a finite number at ${placeOf(wrong)}`, got: inWords(list[wrong], quote) };
}
