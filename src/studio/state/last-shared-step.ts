/** @file How far the pictures of a group were one. */

import type { ServedTree } from '../../client/types.js';

/** Returns the last step whose guess is one for all pictures of a tree; -1 where each was drawn by itself. */
export function lastSharedStep({ guesses, forkStep }: ServedTree): number {
  const ofOthers = new Set(guesses.filter(({ node }) => node > 0).map(({ step }) => step));
  const shared = guesses.map(({ step }) => step).filter((step) => step <= forkStep && !ofOthers.has(step));
  return Math.max(-1, ...shared);
}
