import { access } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { readJsonFile } from '../../models/files/json-file.js';
import type { Study } from './config/study.js';
import { type StudyResults, studyResultsSchema } from './results/study-results.js';

/**
 * Reads the earlier results of a study; none where there is no file.
 *
 * Errors: TRIB_FILE where it cannot be read; TRIB_USAGE where it belongs to another study.
 */
export async function readResults(path: string, { name }: Study): Promise<StudyResults> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return { version: 2, study: name, runs: [], failures: [] };
  const results = await readJsonFile(path, studyResultsSchema, {
    code: 'TRIB_FILE',
    nextStep: 'Restore it, or move it away; runs whose directories are here are read again.',
  });
  if (results.study === name) return results;
  throw new TributaryError(
    'TRIB_USAGE',
    `${path}: expected results of study "${name}", got those of "${results.study}". Choose another folder with --out.`,
  );
}

/** Writes the results, one record a line, so that diffs are readable. */
export async function writeResults(path: string, results: StudyResults): Promise<void> {
  const lines = (records: readonly object[]) =>
    records.map((record) => `\n    ${JSON.stringify(record)}`).join(',');
  const { version, study, runs, failures } = results;
  const text = `{
  "version": ${version},
  "study": ${JSON.stringify(study)},
  "runs": [${lines(runs)}
  ],
  "failures": [${lines(failures)}
  ]
}
`;
  await writeFileAtomic(path, text);
}
