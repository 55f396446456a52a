/** @file The grids of a run: pictures of the same prompts from the same noise, before and after. */

import { at } from '../../at.js';
import { negativePart } from '../../prompt-metadata.js';
import { SAMPLE_COLUMNS, type SampleGrid } from '../directory/run-samples.js';
import type { PolicySnapshot } from '../messages/messages.js';
import type { ListedPrompt } from '../messages/prompts.js';
import type { PromptFile } from '../prompt-files/prompt-file.js';
import type { SamplerClient } from '../stages/sampler/client.js';
import type { GridPrompt } from '../stages/sampler/sampler-thread.js';

/** Pixels a side that one pixel of a picture becomes. */
const SCALE = 3;
const TRAIN_ROWS = 6;
const HELD_OUT_ROWS = 3;

interface GridLists {
  readonly train: Pick<PromptFile, 'prompts'>;
  readonly heldOut: Pick<PromptFile, 'prompts'>;
}

/** Six training prompts and three held-out ones, evenly from their lists. */
export function gridPrompts({ train, heldOut }: GridLists): GridPrompt[] {
  return [...evenly(train.prompts, TRAIN_ROWS), ...evenly(heldOut.prompts, HELD_OUT_ROWS)];
}

/** The words alone. */
export const textsOf = (prompts: readonly GridPrompt[]): string[] => prompts.map(({ prompt }) => prompt);

/** Draws the grid of a policy. */
export async function drawGrid(
  sampler: SamplerClient,
  policy: PolicySnapshot,
  lists: GridLists,
  signal?: AbortSignal,
): Promise<SampleGrid> {
  const prompts = gridPrompts(lists);
  return { png: await drawPrompts(sampler, policy, prompts, signal), prompts: textsOf(prompts) };
}

/** Draws these prompts with a policy, a row each, as PNG. */
export async function drawPrompts(
  sampler: SamplerClient,
  policy: PolicySnapshot,
  prompts: readonly GridPrompt[],
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const request = { prompts, columns: SAMPLE_COLUMNS, scale: SCALE };
  return sampler.withPolicy(policy, (call) => call.sampleGrid(request, { signal }));
}

function evenly(prompts: readonly ListedPrompt[], count: number): GridPrompt[] {
  const rows = Math.min(count, prompts.length);
  return Array.from({ length: rows }, (_, row) => {
    const { prompt, metadata } = at(prompts, Math.floor(((row + 0.5) * prompts.length) / rows));
    return { prompt, ...negativePart(metadata) };
  });
}
