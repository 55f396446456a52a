/** @file Everything the page is made from: the runs that came to their end, and those that could not. */
import { z } from 'zod';
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

/** Whether two records are of one run, computed alike. */
export function isSameRun(a: RunName, b: RunName): boolean {
  return a.row === b.row && a.seed === b.seed && a.fingerprint === b.fingerprint;
}

/**
 * Puts what was measured elsewhere or earlier together with what is found now. What is found now counts; an earlier run
 * is kept as it is where its row computes the same today. A failure is kept until its run comes to its end.
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
      // A run that is found again has not moved to this machine.
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
