/** @file `samples/` of a run directory: pictures of the same prompts from the same noise, before and after. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { pngDamage } from '../../models/images/png-damage.js';

/** Pictures of one policy from fixed noise. */
export interface SampleGrid {
  readonly png: Uint8Array;
  /** One prompt a row of the grid, in order. */
  readonly prompts: readonly string[];
}

export const SAMPLES_FOLDER = 'samples';
export const PROMPTS_FILE = 'prompts.txt';
/** Pictures of a prompt, one beside the other. */
export const SAMPLE_COLUMNS = 8;
/** Pixels between the pictures of a grid, and around them. */
export const SAMPLE_GAP = 2;

const gridPath = (runPath: string, completeRounds: number) =>
  join(runPath, SAMPLES_FOLDER, `round-${String(completeRounds).padStart(4, '0')}.png`);

/** Writes a grid and its prompts, one a line, and returns the path of the grid. Errors: TRIB_FILE. */
export async function writeSamples(
  runPath: string,
  completeRounds: number,
  { png, prompts }: SampleGrid,
): Promise<string> {
  const path = gridPath(runPath, completeRounds);
  const lines = prompts.map((prompt) => `${prompt.replace(/\s*[\r\n]+\s*/g, ' ')}\n`);
  await writeFileAtomic(join(runPath, SAMPLES_FOLDER, PROMPTS_FILE), lines.join(''));
  await writeFileAtomic(path, png);
  return path;
}

/** The rounds after which there are grids, ascending. */
export async function sampleRounds(runPath: string): Promise<number[]> {
  const names = await readdir(join(runPath, SAMPLES_FOLDER)).catch(() => []);
  return names
    .flatMap((name) => /^round-(\d+)\.png$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Reads a grid, or says what is wrong with it. */
export async function readSamples(
  runPath: string,
  completeRounds: number,
): Promise<{ readonly png: Uint8Array } | { readonly damage: string }> {
  const path = gridPath(runPath, completeRounds);
  const png = await readFile(path).catch((error: NodeJS.ErrnoException) => String(error.code));
  const damage = typeof png === 'string' ? png : await pngDamage(png);
  if (typeof png !== 'string' && damage === null) return { png };
  return { damage: `${path}: expected a PNG, got ${damage === 'ENOENT' ? 'no such file' : damage}` };
}
