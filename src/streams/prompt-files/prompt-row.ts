import { TributaryError } from '../../errors.js';
import { metadataFault, metadataPart, type PromptMetadata } from '../../prompt-metadata.js';
import type { ListedPrompt } from '../messages/prompts.js';
import { LONGEST_PROMPT } from '../messages/prompts.js';

/** One entry of a prompt file, not yet checked. */
export interface PromptRow {
  /** Follows the path of the file: `:3` for a line, ` item 3` for one of a JSON list. */
  readonly place: string;
  /** A text, or an object with `prompt`, `weight` and metadata. */
  readonly value: unknown;
}

/** The rows of a file, and the number of lines without one. */
export interface PromptRows {
  readonly rows: readonly PromptRow[];
  readonly comments: number;
  readonly emptyLines: number;
}

/** Errors: TRIB_PROMPT, with file, place, what was expected, what came, and the next step. */
export function promptFault(
  where: string,
  { expected, got, nextStep }: Readonly<Record<'expected' | 'got' | 'nextStep', string>>,
  cause?: unknown,
): TributaryError {
  return new TributaryError('TRIB_PROMPT', `${where}: expected ${expected}, got ${got}. ${nextStep}`, {
    cause,
  });
}

/** Checks a row. Its weight may be 0. Errors: TRIB_PROMPT, naming the place and the key. */
export function promptOfRow(path: string, { place, value }: PromptRow): ListedPrompt {
  const where = `${path}${place}`;
  if (typeof value === 'string') return { prompt: requirePrompt(where, value), weight: 1 };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw promptFault(where, {
      expected: 'a text, or an object with the key prompt',
      got: shown(value),
      nextStep: 'Write "a red ball" or {"prompt": "a red ball"}.',
    });
  const { prompt, weight, ...metadata } = value as Readonly<Record<string, unknown>>;
  if (prompt === undefined)
    throw promptFault(where, {
      expected: 'the key prompt',
      got: `the keys ${Object.keys(value).slice(0, 8).map(shown).join(', ') || 'of an empty object'}`,
      nextStep: 'Rename the key that holds the prompt.',
    });
  if (typeof prompt !== 'string')
    throw promptFault(`${where} key prompt`, {
      expected: 'a text',
      got: shown(prompt),
      nextStep: 'Write the prompt in quotes.',
    });
  const fault = metadataFault(metadata);
  if (fault)
    throw promptFault(`${where} metadata`, {
      expected: fault.expected,
      got: fault.got,
      nextStep: 'Keep what is larger in a file of its own, under a name that the metadata holds.',
    });
  return {
    prompt: requirePrompt(`${where} key prompt`, prompt),
    weight: requireWeight(`${where} key weight`, weight),
    ...metadataPart(metadata as PromptMetadata),
  };
}

function requirePrompt(where: string, text: string): string {
  const prompt = text.trim();
  if (prompt === '')
    throw promptFault(where, {
      expected: 'a prompt',
      got: 'an empty one',
      nextStep: 'Write its words, or remove the entry.',
    });
  if (prompt.length > LONGEST_PROMPT)
    throw promptFault(where, {
      expected: `a prompt of at most ${LONGEST_PROMPT} characters`,
      got: `one of ${prompt.length}`,
      nextStep: 'Shorten it; models read a few hundred words at most.',
    });
  // UTF-8, in which prompts travel, cannot hold half of a pair.
  if (/\p{Surrogate}/u.test(prompt))
    throw promptFault(where, {
      expected: 'whole characters',
      got: 'half of a surrogate pair',
      nextStep: 'Correct the escape \\u....',
    });
  return prompt;
}

function requireWeight(where: string, weight: unknown): number {
  if (weight === undefined || weight === null) return 1;
  if (typeof weight === 'number' && Number.isFinite(weight) && weight >= 0) return weight;
  throw promptFault(where, {
    expected: 'a finite number of at least 0',
    got: shown(weight),
    nextStep: 'Write a number: 2 is drawn twice as often as 1, 0 leaves the prompt out.',
  });
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}...`;
}
