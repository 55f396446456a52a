/** @file Prompts as a file lists them, and as anyone may send them. */

import { metadataFault, type PromptMetadata } from '../../prompt-metadata.js';

/** A prompt as a file lists it. */
export interface ListedPrompt {
  readonly prompt: string;
  /** Above 0: prompts are drawn in proportion to it. Default: 1. */
  readonly weight: number;
  /** All other keys or columns; absent if there are none. */
  readonly metadata?: PromptMetadata;
}

/** A prompt to train on, which anyone may have written. */
export interface IncomingPrompt {
  /** Chosen by the writer. The same id again is the same prompt again. */
  readonly id: string;
  readonly prompt: string;
  /** What else the writer says about it, for the reward sources; absent if nothing. */
  readonly metadata?: PromptMetadata;
}

/** Characters at most. */
export const LONGEST_PROMPT = 4000;
const LONGEST_ID = 200;

/** Returns why a prompt is refused, as a phrase `expected ..., got ...`; null if it is not. */
export function incomingFault({ id, prompt, metadata }: IncomingPrompt): string | null {
  if (id === '' || id.length > LONGEST_ID)
    return `expected an id of 1 to ${LONGEST_ID} characters, got one of ${id.length}`;
  if (prompt.trim() === '') return 'expected a prompt, got an empty one';
  if (prompt.length > LONGEST_PROMPT)
    return `expected a prompt of at most ${LONGEST_PROMPT} characters, got one of ${prompt.length}`;
  // A prompt travels as UTF-8, which cannot encode half of a pair.
  if (/\p{Surrogate}/u.test(`${id}${prompt}`))
    return 'expected whole characters, got half of a surrogate pair';
  const fault = metadata === undefined ? null : metadataFault(metadata);
  return fault && `expected metadata to be ${fault.expected}, got ${fault.got}`;
}
