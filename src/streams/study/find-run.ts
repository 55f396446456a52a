import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { topologySchema } from '../config/topology-schema.js';
import { firstDifference } from '../first-difference.js';
import { readMetrics } from '../metrics-log.js';
import { figuresOfRun, type RunResult } from './run-result.js';
import { comparableConfig, type PlannedRun } from './study.js';

/** How far a run of the study has come. */
export type FoundRun =
  | { readonly state: 'absent' }
  /** It can be resumed. */
  | { readonly state: 'begun'; readonly completeStages: number }
  | { readonly state: 'complete'; readonly figures: Pick<RunResult, 'points' | 'stages'> }
  /** Its directory holds a run of another config. */
  | { readonly state: 'other'; readonly failure: string };

/** Looks a run up in its directory. */
export async function findRun({ row, seed, runPath }: PlannedRun): Promise<FoundRun> {
  const path = join(runPath, 'config.yaml');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return { state: 'absent' };
  const saved = withDefaults(parse(text));
  const isMapping = typeof saved === 'object' && saved !== null;
  const difference = firstDifference(
    isMapping ? { ...comparableConfig(saved), seed: 'seed' in saved ? saved.seed : undefined } : saved,
    { ...comparableConfig(row.config), seed },
  );
  if (difference) {
    const { path: where, left, right } = difference;
    const failure = `run directory ${runPath} ${where}: expected ${right} as in row "${row.name}", got ${left}. Move the directory away, or restore the row.`;
    return { state: 'other', failure };
  }
  const lines = await readMetrics(runPath);
  const figures = figuresOfRun(lines, row.numStages);
  if (figures) return { state: 'complete', figures };
  return { state: 'begun', completeStages: lines.filter(({ kind }) => kind === 'stage').length };
}

/** A run may be older than a setting, whose default then changes nothing. */
function withDefaults(saved: unknown): unknown {
  const parsed = topologySchema.safeParse(saved);
  return parsed.success ? parsed.data : saved;
}
