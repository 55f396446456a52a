import type { Study } from '../config/study.js';
import type { FailedRun, RunResult } from './run-result.js';
import type { StudyResults } from './study-results.js';

/** What is known of one row. */
export interface RowRuns {
  readonly name: string;
  readonly title: string;
  /** Those that came to their end, by seed. */
  readonly runs: readonly RunResult[];
  readonly failures: readonly FailedRun[];
  /** Seeds that the study asks of the row. */
  readonly numSeeds: number;
}

/** Sorts the results of a study by row, in its order; a row without results is there too. */
export function rowRuns({ rows }: Study, { runs, failures }: StudyResults): RowRuns[] {
  return rows.map(({ name, title, seeds }) => ({
    name,
    title,
    runs: runs.filter(({ row }) => row === name).sort((a, b) => a.seed - b.seed),
    failures: failures.filter(({ row }) => row === name),
    numSeeds: seeds.length,
  }));
}
