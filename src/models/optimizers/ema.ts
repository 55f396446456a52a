/** @file The moving average of the trained parameters that is shipped in their place. */

import { at, named } from '../../at.js';
import type { NamedArrays } from './adamw.js';

/**
 * Returns the average after an optimizer step: d·average + (1 - d)·parameters with d = min(decay, s / (s + 9)), s - 1 the
 * steps before it. So the first step replaces the average, and early ones count much.
 *
 * Source: diffusers 0.42.1, `EMAModel.get_decay` with its defaults, (1 + n)/(10 + n) for n = s - 1 above 0.
 */
export function emaStep(
  average: NamedArrays,
  parameters: NamedArrays,
  step: number,
  decay: number,
): NamedArrays {
  const kept = step <= 1 ? 0 : Math.min(decay, step / (step + 9));
  return Object.fromEntries(
    Object.entries(parameters).map(([name, values]) => {
      const before = named(average, name);
      return [name, values.map((value, index) => kept * at(before, index) + (1 - kept) * value)];
    }),
  );
}
