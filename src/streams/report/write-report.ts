import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at } from '../../at.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { pngDamage } from '../../models/images/png-damage.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { readBest } from '../directory/best-policy.js';
import { readMetrics } from '../directory/metrics-log.js';
import { PROMPTS_FILE } from '../directory/run-samples.js';
import { type PicturedTrees, readTrees, treeRounds } from '../directory/tree-files.js';
import type { RoundMetrics } from '../messages/run-events.js';
import { tunedOf } from './headline.js';
import { type ReportContent, renderReport } from './render-report.js';
import type { GridPair } from './sample-rows.js';

/**
 * Writes `report.html` from what a run directory holds, and returns its path. It can be written again at any time.
 *
 * Errors: TRIB_FILE where it cannot be written.
 */
export async function writeReport(runPath: string, config: ResolvedConfig): Promise<string> {
  const path = join(runPath, 'report.html');
  await writeFileAtomic(path, renderReport(await readReport(runPath, config)));
  return path;
}

/** Reads what a run directory holds for its report, at any time of the run. Errors: those of the file system. */
export async function readReport(runPath: string, config: ResolvedConfig): Promise<ReportContent> {
  return { config, ...(await readRecord(runPath)) };
}

/** Reads all that a run directory holds for a page but the config. Errors: those of the file system. */
export async function readRecord(runPath: string): Promise<Omit<ReportContent, 'config'>> {
  const { lines, damaged } = await readMetrics(runPath);
  const evaluations = lines.filter((line) => line.kind === 'evaluation');
  const alarms = lines.filter((line) => line.kind === 'alarm');
  const best = (await readBest(runPath))?.evaluation ?? null;
  const tuned = tunedOf({ alarms, best, evaluations });
  const { grids, damage } = await readGrids(join(runPath, 'samples'), tuned?.round);
  const rounds = lines.filter((line) => line.kind === 'round');
  const { trees, damages } = await readSomeTrees(runPath, rounds);
  const lost = `${damaged.length} ${damaged.length === 1 ? 'line' : 'lines'} of metrics.jsonl`;
  return {
    rounds,
    evaluations,
    best,
    alarms,
    notes: [
      ...(damaged.length === 0 ? [] : [`${lost} could not be used; the figures below are without them.`]),
      ...(damage === null ? [] : [`${damage}; the pictures are omitted.`]),
      ...damages.map((damaged) => `${damaged}; these trees are omitted.`),
    ],
    grids,
    trees,
  };
}

/** Rounds whose trees are shown. */
const MOST_ROUNDS = 3;

/** The trees of the first round that has some, of the last, and of one between; those of rounds to come are not read. */
async function readSomeTrees(
  runPath: string,
  rounds: readonly RoundMetrics[],
): Promise<{ readonly trees: PicturedTrees[]; readonly damages: string[] }> {
  const done = new Set(rounds.map(({ round }) => round));
  const found = (await treeRounds(runPath)).filter((round) => done.has(round));
  const count = Math.min(MOST_ROUNDS, found.length);
  const read = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      readTrees(runPath, at(found, Math.round((index * (found.length - 1)) / Math.max(1, count - 1)))),
    ),
  );
  return {
    trees: read.filter((one) => 'png' in one),
    damages: read.flatMap((one) => ('png' in one ? [] : [one.damage])),
  };
}

type Grids = { readonly grids: GridPair | null; readonly damage: string | null };

/** The first grid, and that of the policy that the run ends with so far, or else the last; null without two whole ones. */
async function readGrids(folder: string, tuned: number | undefined): Promise<Grids> {
  const none = (damage: string | null): Grids => ({ grids: null, damage });
  const names = await readdir(folder).catch(() => []);
  const found = names.filter((name) => /^round-\d+\.png$/.test(name)).sort();
  const isTuned = (name: string) => Number.parseInt(name.slice('round-'.length), 10) === tuned;
  const [first, last] = [found[0], found.find(isTuned) ?? found.at(-1)];
  if (first === undefined || last === undefined || first === last) return none(null);
  const text = await readFile(join(folder, PROMPTS_FILE), 'utf8').catch(() => '');
  if (text.trim() === '') return none(`samples/${PROMPTS_FILE}: expected one prompt per row, got none`);
  const pictures: Uint8Array[] = [];
  for (const name of [first, last]) {
    const png = await readFile(join(folder, name));
    const damage = await pngDamage(png);
    if (damage !== null) return none(`samples/${name}: expected a PNG, got ${damage}`);
    pictures.push(png);
  }
  const [before, after] = pictures as [Uint8Array, Uint8Array];
  return { grids: { before, after, prompts: text.trimEnd().split('\n') }, damage: null };
}
