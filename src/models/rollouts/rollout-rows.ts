/** @file Rows of one run of the denoiser: the branches that they belong to, their prompts, their guided output. */

import { guidedOutput } from '../diffusion/guided-output.js';
import type { Denoiser } from '../pipeline/denoiser.js';
import type { Pipeline } from '../pipeline/pipeline.js';

/** The branch that a row belongs to: the keys of its random numbers, and its prompt. */
export interface RowOwner {
  readonly groupIndex: number;
  readonly branch: number;
  readonly prompt: string;
  readonly negativePrompt?: string;
}

/** The rows of a batch, with their prompt embeddings. */
interface Rows {
  readonly owners: readonly RowOwner[];
  readonly unconditional: Float32Array;
  readonly conditional: Float32Array;
}

/** Gathers the prompt embeddings of all rows. */
export async function embedRows(pipeline: Pipeline, owners: readonly RowOwner[]): Promise<Rows> {
  const { length } = await pipeline.embedPrompt(pipeline.negativePrompt);
  const unconditional = new Float32Array(owners.length * length);
  const conditional = new Float32Array(owners.length * length);
  for (const [row, { prompt, negativePrompt = pipeline.negativePrompt }] of owners.entries()) {
    unconditional.set(await pipeline.embedPrompt(negativePrompt), row * length);
    conditional.set(await pipeline.embedPrompt(prompt), row * length);
  }
  return { owners, unconditional, conditional };
}

/** How one run of the network is made. */
interface RunOptions {
  /** Rows of the batch that these are a part of. */
  readonly batchRows: number;
  readonly timestep: number;
  readonly guidanceScale: number;
  /** Whether the scale leads away from the unconditional output (`Pipeline.usesGuidance`). */
  readonly isGuided: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Returns the guided output of all rows: one run of twice the rows, or of the rows alone without guidance. */
export async function predictGuided(
  denoiser: Denoiser,
  rows: Rows,
  latents: Float32Array,
  { batchRows, timestep, guidanceScale, isGuided, signal }: RunOptions,
): Promise<Float32Array> {
  if (!isGuided)
    return denoiser.predict(latents, timestep, rows.conditional, { guidanceScale, batchRows, signal });
  const output = await denoiser.predict(
    concat(latents, latents),
    timestep,
    concat(rows.unconditional, rows.conditional),
    { guidanceScale, batchRows: 2 * batchRows, signal },
  );
  return guidedOutput(output.subarray(0, latents.length), output.subarray(latents.length), guidanceScale);
}

function concat(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Returns every row `times` times, one after another. */
export function repeatRows(rows: Float32Array, rowSize: number, times: number): Float32Array {
  const result = new Float32Array(rows.length * times);
  for (let row = 0; row * rowSize < rows.length; row++) {
    for (let copy = 0; copy < times; copy++) {
      result.set(rows.subarray(row * rowSize, (row + 1) * rowSize), (row * times + copy) * rowSize);
    }
  }
  return result;
}
