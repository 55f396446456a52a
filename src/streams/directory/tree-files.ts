/** @file `samples/trees-<round>.png` and `.json` of a run directory: a few trees of a round that were trained on. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { parseJsonOrNull } from '../../models/files/json-file.js';
import { pngDamage } from '../../models/images/png-damage.js';
import type { RoundTrees } from '../messages/round-trees.js';
import { SAMPLES_FOLDER } from './run-samples.js';

/** Trees with their pictures on one PNG. */
export interface PicturedTrees extends RoundTrees {
  readonly png: Uint8Array;
}

const NAME = /^trees-(\d+)\.json$/;

const nameOf = (round: number) => `trees-${String(round).padStart(4, '0')}`;

const number = z.number({ error: 'expected a number' });
const count = z.int({ error: 'expected a whole number' }).min(0, { error: 'expected at least 0' });
const size = z.int({ error: 'expected a whole number' }).min(1, { error: 'expected at least 1' });
const text = z.string({ error: 'expected text' });
const listOf = <Item extends z.ZodType>(item: Item) => z.array(item, { error: 'expected a list' });

const treesSchema: z.ZodType<RoundTrees> = z
  .object({
    round: count,
    trainedSteps: listOf(count),
    timesteps: listOf(number),
    sheet: z.object({ columns: size, width: size, height: size, gap: count, scale: size }),
    trees: listOf(
      z.object({
        groupId: text,
        prompt: text,
        widths: listOf(size).min(2, { error: 'expected at least 2' }),
        leaves: listOf(
          z.object({
            branch: count,
            reward: number,
            advantage: number.nullable(),
            credit: listOf(number.nullable()),
            picture: count,
          }),
        ),
        forks: listOf(z.object({ step: count, node: count, picture: count.nullable() })),
      }),
    ),
  })
  .refine(({ timesteps, trees }) => trees.every((tree) => fits(tree, timesteps.length)), {
    error: 'expected trees that fit the sampler steps',
  });

function fits({ widths, leaves, forks }: RoundTrees['trees'][number], numSteps: number): boolean {
  const numLeaves = widths.at(-1) ?? 0;
  return (
    widths.length === numSteps + 1 &&
    leaves.length > 0 &&
    leaves.every(({ branch, credit }) => branch < numLeaves && credit.length === numSteps) &&
    forks.every(({ step, node }) => node < (widths[step] ?? 0) && step < numSteps)
  );
}

/** Writes the trees of a round, their pictures first: where there are trees, there are pictures. Errors: TRIB_FILE. */
export async function writeTrees(runPath: string, trees: RoundTrees, png: Uint8Array): Promise<void> {
  const path = join(runPath, SAMPLES_FOLDER, nameOf(trees.round));
  await writeFileAtomic(`${path}.png`, png);
  await writeFileAtomic(`${path}.json`, `${JSON.stringify(trees)}\n`);
}

/** The rounds whose trees a run directory holds, ascending. */
export async function treeRounds(runPath: string): Promise<number[]> {
  const names = await readdir(join(runPath, SAMPLES_FOLDER)).catch(() => []);
  return names
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Reads the trees of a round, or says what is wrong with them. */
export async function readTrees(
  runPath: string,
  round: number,
): Promise<PicturedTrees | { readonly damage: string }> {
  const name = join(SAMPLES_FOLDER, nameOf(round));
  const read = (suffix: string) => readFile(join(runPath, `${name}.${suffix}`)).catch(() => null);
  const json = await read('json');
  const parsed = treesSchema.safeParse(parseJsonOrNull(json?.toString('utf8') ?? ''));
  if (!parsed.success) {
    const [fault] = parsed.error.issues;
    const place = [`${name}.json`, ...(fault?.path.length ? [fault.path.join('.')] : [])].join(' ');
    return { damage: `${place}: ${fault?.message}` };
  }
  const png = await read('png');
  const damage = png === null ? 'no such file' : await pngDamage(png);
  if (png === null || damage !== null) return { damage: `${name}.png: expected a PNG, got ${damage}` };
  return { ...parsed.data, png };
}
