/** @file Which requests two policies draw together, and what becomes of their pictures. */

import { at } from '../../../at.js';
import { counterRandom } from '../../../models/random/counter-random.js';
import type { DrawnTree } from './draw-pictures.js';

interface ComparisonOptions {
  /** Of the run. */
  readonly seed: number;
  /** Of the requests that are compared, in (0, 1]. */
  readonly share: number;
  /** Of a group. */
  readonly pictures: number;
}

/**
 * Returns which pictures of a request are those of the canary: half of them, of an odd number the larger or the
 * smaller half, in places that are all equally likely; null where the request is not one of the share. Drawn by the
 * seed of the request, so the same one is always compared alike.
 */
export function canarysPictures(
  requestSeed: number,
  { seed, share, pictures }: ComparisonOptions,
): readonly number[] | null {
  const random = counterRandom({ seed, purpose: 'comparison', group: requestSeed });
  if (random.uniform() >= share) return null;
  const half = Math.floor((pictures + random.integer(2)) / 2);
  const places = random.shuffle(Array.from({ length: pictures }, (_, index) => index));
  return places.slice(0, half).sort((a, b) => a - b);
}

/**
 * Replaces pictures of a tree whose branches share nothing by those of another policy, and what is shown on the way
 * to them.
 */
export function mixedTree(stable: DrawnTree, canary: DrawnTree, places: readonly number[]): DrawnTree {
  const own = <Item>(items: readonly Item[], others: readonly Item[]): Item[] =>
    items.map((item, index) => (places.includes(index) ? at(others, index) : item));
  return {
    tree: stable.tree,
    branches: own(stable.branches, canary.branches),
    pictures: own(stable.pictures, canary.pictures),
    guesses: stable.guesses.map((guess, index) =>
      places.includes(guess.node) ? at(canary.guesses, index) : guess,
    ),
  };
}
