/** @file The grids of a run: pictures of the same prompts from the same noise, before and after. */

import { at } from '../../at.js';
import { SAMPLE_COLUMNS, type SampleGrid } from '../directory/run-samples.js';
import type { PolicySnapshot } from '../messages/messages.js';
import type { ListedPrompt } from '../messages/prompts.js';
import type { PromptFile } from '../prompt-files/prompt-file.js';
import type { SamplerClient } from '../stages/sampler/client.js';

/** Pixels a side that one pixel of a picture becomes. */
const SCALE = 3;
const TRAIN_ROWS = 6;
const HELD_OUT_ROWS = 3;

interface GridLists {
  readonly train: Pick<PromptFile, 'prompts'>;
  readonly heldOut: Pick<PromptFile, 'prompts'>;
}

/** Six training prompts and three held-out ones, evenly from their lists. */
export function gridPrompts({ train, heldOut }: GridLists): string[] {
  return [...evenly(train.prompts, TRAIN_ROWS), ...evenly(heldOut.prompts, HELD_OUT_ROWS)];
}

/** Draws the grid of a policy. */
export async function drawGrid(
  sampler: SamplerClient,
  policy: PolicySnapshot,
  lists: GridLists,
  signal?: AbortSignal,
): Promise<SampleGrid> {
  const prompts = gridPrompts(lists);
  return { png: await drawPrompts(sampler, policy, prompts, signal), prompts };
}

/** Draws these prompts with a policy, a row each, as PNG. */
export function drawPrompts(
  sampler: SamplerClient,
  policy: PolicySnapshot,
  prompts: readonly string[],
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const request = { prompts, columns: SAMPLE_COLUMNS, scale: SCALE };
  return sampler.withPolicy(policy, (call) => call.sampleGrid(request, { signal }));
}

function evenly(prompts: readonly ListedPrompt[], count: number): string[] {
  const rows = Math.min(count, prompts.length);
  return Array.from(
    { length: rows },
    (_, row) => at(prompts, Math.floor(((row + 0.5) * prompts.length) / rows)).prompt,
  );
}
