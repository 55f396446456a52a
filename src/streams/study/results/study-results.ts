/** @file Everything the page is made from: the finished runs and the failed ones. */
import * as z from 'zod';
import type { Study } from '../config/study.js';
import { type FailedRun, failedRunSchema, type RunResult, runResultSchema } from './run-result.js';

export const studyResultsSchema = z.object({
  version: z.literal(2, { error: 'expected 2' }),
  study: z.string({ error: 'expected the name of a study' }),
  runs: z.array(runResultSchema, { error: 'expected a list' }),
  failures: z.array(failedRunSchema, { error: 'expected a list' }),
});

export type StudyResults = z.output<typeof studyResultsSchema>;

type RunName = Pick<RunResult, 'row' | 'seed' | 'fingerprint'>;

/** Whether two records are of the same run with the same computation. */
export function isSameRun(a: RunName, b: RunName): boolean {
  return a.row === b.row && a.seed === b.seed && a.fingerprint === b.fingerprint;
}

/**
 * Merges earlier results with what is found now, which takes precedence. An earlier run is kept if its row computes the
 * same today, a failure until its run is finished.
 *
 * @returns The results in the order of the study, and the earlier records that no longer belong to it.
 */
export function mergeResults(
  study: Study,
  prior: StudyResults,
  found: { readonly runs: readonly RunResult[]; readonly failures: readonly FailedRun[] },
): { readonly results: StudyResults; readonly dropped: readonly RunName[] } {
  const runs: RunResult[] = [];
  const failures: FailedRun[] = [];
  for (const row of study.rows) {
    for (const seed of study.seeds.filter((one) => row.seeds.includes(one))) {
      const name = { row: row.name, seed, fingerprint: row.fingerprint };
      const of = <Run extends RunName>(list: readonly Run[]) => list.find((one) => isSameRun(one, name));
      const [fresh, earlier] = [of(found.runs), of(prior.runs)];
      const failure = of(found.failures) ?? of(prior.failures);
      // Finding a run again does not mean that it ran on this machine.
      if (fresh) runs.push({ ...fresh, machine: fresh.machine ?? earlier?.machine ?? null });
      else if (earlier) runs.push(earlier);
      else if (failure) failures.push(failure);
    }
  }
  const belongs = (one: RunName) =>
    study.rows.some(
      ({ name, fingerprint, seeds }) =>
        name === one.row && fingerprint === one.fingerprint && seeds.includes(one.seed),
    );
  return {
    results: { version: 2, study: study.name, runs, failures },
    dropped: prior.runs.filter((run) => !belongs(run)),
  };
}

/** What is known of one row. */
export interface RowRuns {
  readonly name: string;
  readonly title: string;
  /** Finished runs, by seed. */
  readonly runs: readonly RunResult[];
  readonly failures: readonly FailedRun[];
  /** Seeds that the study asks of the row. */
  readonly numSeeds: number;
}

/** Groups the results of a study by row, in its order, rows without results included. */
export function rowRuns({ rows }: Study, { runs, failures }: StudyResults): RowRuns[] {
  return rows.map(({ name, title, seeds }) => ({
    name,
    title,
    runs: runs.filter(({ row }) => row === name).sort((a, b) => a.seed - b.seed),
    failures: failures.filter(({ row }) => row === name),
    numSeeds: seeds.length,
  }));
}
