/** @file Which prompts the grids of a run show: the same before and after. */

import type { ListedPrompt } from '../messages/prompts.js';
import type { PromptFile } from '../prompt-files/prompt-file.js';

export const GRID_COLUMNS = 8;
/** Pixels a side that one pixel of a picture becomes. */
export const GRID_SCALE = 3;

const TRAIN_ROWS = 6;
const HELD_OUT_ROWS = 3;

/** Six training prompts and three held-out ones, evenly from their lists. */
export function gridPrompts({
  train,
  heldOut,
}: {
  readonly train: Pick<PromptFile, 'prompts'>;
  readonly heldOut: Pick<PromptFile, 'prompts'>;
}): string[] {
  return [...evenly(train.prompts, TRAIN_ROWS), ...evenly(heldOut.prompts, HELD_OUT_ROWS)];
}

function evenly(prompts: readonly ListedPrompt[], count: number): string[] {
  const rows = Math.min(count, prompts.length);
  return Array.from(
    { length: rows },
    (_, row) => prompts[Math.floor(((row + 0.5) * prompts.length) / rows)]?.prompt ?? '',
  );
}
