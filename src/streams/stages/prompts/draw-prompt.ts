/** @file Which prompt of a list a group gets: a function of the seed, its index and the list alone. */

import { at } from '../../../at.js';
import { type CounterRandom, counterRandom } from '../../../models/random/counter-random.js';
import type { ListedPrompt } from '../../messages/prompts.js';

interface PromptDraw {
  readonly seed: number;
  readonly choice: 'uniform' | 'round-robin';
  readonly groupIndex: number;
  /** Tells draws apart that are to be independent, from 0. Default: 0. */
  readonly stream?: number;
}

/**
 * Draws the prompt of a group, prompt i with probability w_i / W, W the sum of the weights.
 *
 * - `uniform`: with replacement, group by group.
 * - `round-robin`: in cycles of as many groups as there are prompts, in random order. In a cycle prompt i comes n w_i / W
 *   times, rounded up or down, and exactly as often on average: systematic sampling (Madow 1949), the points
 *   (j + u) W / n, j = 0..n-1, of the weights laid end to end, u drawn anew for each cycle. With equal weights each prompt
 *   comes once.
 *
 * Equal weights are drawn like a list without weights.
 */
export function drawPrompt(
  prompts: readonly ListedPrompt[],
  { seed, choice, groupIndex, stream = 0 }: PromptDraw,
): ListedPrompt {
  const ends = endsOf(prompts);
  const isCycle = choice === 'round-robin';
  const group = isCycle ? Math.floor(groupIndex / prompts.length) : groupIndex;
  const random = counterRandom({ seed, purpose: 'prompt-choice', group, branch: stream });
  const drawn = isCycle
    ? at(cycleOf(ends ?? prompts.length, random), groupIndex % prompts.length)
    : ends
      ? indexAt(ends, random.uniform())
      : random.integer(prompts.length);
  return at(prompts, drawn);
}

/** Indices of the prompts of one cycle: of so many equal ones, or of those that end at `ends`. */
function cycleOf(ends: number | Float64Array, random: CounterRandom): number[] {
  if (typeof ends === 'number') return random.shuffle(Array.from({ length: ends }, (_, index) => index));
  const offset = random.uniform();
  return random.shuffle(Array.from(ends, (_, point) => indexAt(ends, (point + offset) / ends.length)));
}

/** The first prompt that ends behind a point in [0, 1). */
function indexAt(ends: Float64Array, point: number): number {
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (at(ends, middle) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}

const ENDS = new WeakMap<readonly ListedPrompt[], { readonly ends: Float64Array | null }>();

/** Where each prompt ends when the weights are laid end to end over [0, 1]; null if all are equal. */
function endsOf(prompts: readonly ListedPrompt[]): Float64Array | null {
  const known = ENDS.get(prompts);
  if (known) return known.ends;
  const largest = prompts.reduce((most, { weight }) => Math.max(most, weight), 0);
  const ends = new Float64Array(prompts.length);
  let end = 0;
  // Relative to the largest: a sum of huge weights may overflow a float64.
  for (const [index, { weight }] of prompts.entries()) {
    end += weight / largest;
    ends[index] = end;
  }
  const areEqual = prompts.every(({ weight }) => weight === largest);
  const made = { ends: areEqual ? null : ends.map((value) => value / end) };
  ENDS.set(prompts, made);
  return made.ends;
}
