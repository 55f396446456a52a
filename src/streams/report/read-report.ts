import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readBest } from '../best-policy.js';
import type { ResolvedConfig } from '../config/topology-schema.js';
import { readMetrics } from '../metrics-log.js';
import type { ReportContent } from './render-report.js';
import type { GridPair } from './sample-rows.js';

/** Reads what a run directory holds for its report, at any time of the run. **Errors**: those of the file system. */
export async function readReport(runPath: string, config: ResolvedConfig): Promise<ReportContent> {
  const lines = await readMetrics(runPath);
  const evaluations = lines.filter((line) => line.kind === 'evaluation');
  return {
    config,
    stages: lines.filter((line) => line.kind === 'stage'),
    // A run that was resumed may have measured one policy twice.
    evaluations: evaluations.filter(
      ({ trainingStage }, index) => evaluations[index + 1]?.trainingStage !== trainingStage,
    ),
    best: (await readBest(runPath))?.evaluation ?? null,
    alarms: lines.filter((line) => line.kind === 'alarm'),
    grids: await readGrids(join(runPath, 'samples')),
  };
}

/** The first and the last grid; null where there are not two. */
async function readGrids(folder: string): Promise<GridPair | null> {
  const names = await readdir(folder).catch(() => []);
  const grids = names.filter((name) => /^stage-\d+\.png$/.test(name)).sort();
  const [first, last] = [grids[0], grids.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  const prompts = (await readFile(join(folder, 'prompts.txt'), 'utf8')).trimEnd().split('\n');
  const [before, after] = await Promise.all([first, last].map((name) => readFile(join(folder, name))));
  return before && after ? { before, after, prompts } : null;
}
