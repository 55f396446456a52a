import { metadataFault } from '../../prompt-metadata.js';
import type { IncomingPrompt } from './messages.js';

/** Characters at most. */
export const LONGEST_PROMPT = 4000;
export const LONGEST_ID = 200;

/** Returns why a prompt is not taken in, as a phrase `expected ..., got ...`; null where it is. */
export function incomingFault({ id, prompt, metadata }: IncomingPrompt): string | null {
  if (id === '' || id.length > LONGEST_ID)
    return `expected an id of 1 to ${LONGEST_ID} characters, got one of ${id.length}`;
  if (prompt.trim() === '') return 'expected a prompt, got an empty one';
  if (prompt.length > LONGEST_PROMPT)
    return `expected a prompt of at most ${LONGEST_PROMPT} characters, got one of ${prompt.length}`;
  // UTF-8, in which a prompt travels, has no half of a pair.
  if (/\p{Surrogate}/u.test(`${id}${prompt}`))
    return 'expected whole characters, got half of a surrogate pair';
  const fault = metadata === undefined ? null : metadataFault(metadata);
  return fault && `expected metadata to be ${fault.expected}, got ${fault.got}`;
}
