import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { firstDifference } from '../config/source/first-difference.js';
import { METRICS_FILES, readMetrics } from '../directory/metrics-log.js';
import { readSavedConfig, withDefaults, withPlaces } from '../directory/saved-config.js';
import { comparableConfig, type PlannedRun } from './config/study.js';
import { figuresOfRun, type RunResult } from './results/run-result.js';

/** How far a run of the study has come. */
export type FoundRun =
  | { readonly state: 'absent' }
  /** Can be resumed. */
  | { readonly state: 'begun'; readonly completeRounds: number }
  | { readonly state: 'complete'; readonly figures: Pick<RunResult, 'points' | 'rounds'> }
  /** Its directory holds a run of another config, or one whose figures are not all there. */
  | { readonly state: 'other'; readonly failure: string };

/** Looks for a run in its directory. */
export async function findRun({ row, seed, runPath }: PlannedRun): Promise<FoundRun> {
  const saved = await readSavedConfig(runPath);
  if (saved.state === 'absent') return { state: 'absent' };
  if (saved.state === 'other-version') return { state: 'other', failure: saved.fault.message };
  const read = await readMetrics(runPath).catch((error: unknown) => {
    // A log of version 1 beside a damaged config: one run less, not the end of the study.
    if (error instanceof TributaryError) return error;
    throw error;
  });
  if (read instanceof TributaryError) return { state: 'other', failure: read.message };
  const { lines } = read;
  const completeRounds = lines.filter(({ kind }) => kind === 'round').length;
  // A resume recognizes the run by its checkpoint, and rewrites the file.
  if (saved.state === 'damaged') return { state: 'begun', completeRounds };
  const settings = withDefaults(saved.settings);
  const difference = firstDifference(
    { ...comparableConfig(withPlaces(settings)), seed: 'seed' in settings ? settings.seed : undefined },
    { ...comparableConfig(withPlaces(row.config)), seed },
  );
  if (difference) {
    const { path: where, left, right } = difference;
    const failure = `run directory ${runPath} ${where}: expected ${right} as in row "${row.name}", got ${left}. Move the directory away, or restore the row.`;
    return { state: 'other', failure };
  }
  const figures = figuresOfRun(lines, row.numRounds);
  if (figures) return { state: 'complete', figures };
  // Resuming a finished run measures nothing again.
  const hasEnded = lines.some((line) => line.kind === 'evaluation' && line.round === row.numRounds);
  if (!hasEnded) return { state: 'begun', completeRounds };
  const failure = `${join(runPath, METRICS_FILES[0])}: expected the figures of ${row.numRounds} rounds and of the base model, got whole lines of ${completeRounds} rounds. Restore the file, or move the directory away to measure the run again.`;
  return { state: 'other', failure };
}
