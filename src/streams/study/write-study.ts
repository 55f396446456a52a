import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../models/files/atomic.js';
import type { Study } from './config/study.js';
import { comparisonChart, studyCharts } from './page/study-charts.js';
import { studyPage } from './page/study-page.js';
import { rowRuns, type StudyResults } from './results/study-results.js';
import { writeResults } from './results-file.js';

/** Names of what a study writes, under its folder. */
export const RESULTS_FILE = 'results.json';
const PAGE_FILE = 'results.md';
const CHART_FOLDER = 'results';

/**
 * Writes `results.json`, `results.md` and `results/*.svg` into a folder, and returns the path of the page.
 *
 * Errors: TRIB_FILE where nothing can be written; the system's own where the conclusions are no longer there.
 */
export async function writeStudy(folder: string, study: Study, results: StudyResults): Promise<string> {
  await writeResults(join(folder, RESULTS_FILE), results);
  const { conclusionsPath } = study;
  const conclusions = conclusionsPath === null ? null : await readFile(conclusionsPath, 'utf8');
  const rows = rowRuns(study, results);
  const charts = studyCharts(rows.filter(({ name }) => study.chartRows.includes(name)));
  const comparisonCharts = study.sections.map((section, index) => comparisonChart(section, index + 1, rows));
  for (const { name, svg } of [...charts, ...comparisonCharts.flatMap((chart) => chart ?? [])])
    await writeFileAtomic(join(folder, CHART_FOLDER, name), svg);
  const path = join(folder, PAGE_FILE);
  const parts = { study, rows, charts, comparisonCharts, conclusions };
  await writeFileAtomic(path, studyPage({ ...parts, chartFolder: CHART_FOLDER }));
  return path;
}
