/** @file The answer of a module or service about pictures, which is not trusted: rewards, and vectors if it has some. */

import { inWords, type Quote } from './value-in-words.js';

/** Lengths of vectors that a message shows at most. */
const MOST_LENGTHS = 10;

export interface ScoredAnswer {
  /** One finite number per picture. */
  readonly rewards: readonly number[];
  /** One per picture, of at least one finite number each; undefined if there are none. */
  readonly vectors: readonly (readonly number[])[] | undefined;
}

/** What was expected of an answer, and what came instead. */
export interface AnswerFault {
  readonly expected: string;
  readonly got: string;
}

interface AnswerForm {
  /** Pictures that were asked about. */
  readonly count: number;
  /** The name of the vectors in the answer. */
  readonly vectors: 'features' | 'embeddings';
  /** Whether a bare list of rewards is an answer too. */
  readonly isListAllowed: boolean;
  readonly quote: Quote;
}

/**
 * Reads an answer, or says what is wrong with it. Only the first fault is reported, so that millions of wrong values
 * cost no more than one.
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
  // Null means none, for those whose fields are fixed.
  if (answer[name] === undefined || answer[name] === null) return { rewards, vectors: undefined };
  const vectors = readVectors(answer[name], form);
  return 'expected' in vectors ? vectors : { rewards, vectors };
}

/** Reads the answer of a reward service about `count` pictures, or says what is wrong with it (docs/rewards.md). */
export function readRewardResponse(text: string, count: number, quote: Quote): ScoredAnswer | AnswerFault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { expected: 'JSON', got: quote(text) };
  }
  return readScoredAnswer(value, { count, vectors: 'embeddings', isListAllowed: false, quote });
}

/** Returns the fault of vectors of different lengths; null if all have one length. */
export function lengthsFault(
  name: AnswerForm['vectors'],
  vectors: readonly (readonly number[])[],
): AnswerFault | null {
  const lengths = [...new Set(vectors.map(({ length }) => length))];
  if (lengths.length <= 1) return null;
  return { expected: `${name} of one length`, got: `lengths ${lengths.slice(0, MOST_LENGTHS).join(', ')}` };
}

/**
 * Returns a list as an array: an array as it is, a typed array of numbers as a copy. BigInt64Array and BigUint64Array are no
 * lists of numbers: their owner has to convert them.
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
  if (list.length !== count)
    return { expected: `${count} rewards, one per picture`, got: String(list.length) };
  const at = (index: number) => (place === 'index' ? `index ${index}` : `${place}[${index}]`);
  return numberFault(list, at, quote) ?? (list as readonly number[]);
}

function readVectors(
  value: unknown,
  { count, vectors: name, quote }: AnswerForm,
): readonly (readonly number[])[] | AnswerFault {
  const list = listOf(value);
  if (list === null) return { expected: `a list of lists of numbers at ${name}`, got: inWords(value, quote) };
  if (list.length !== count)
    return { expected: `${count} ${name}, one per picture`, got: String(list.length) };
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
