import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { readBest } from '../best-policy.js';
import type { ResolvedConfig } from '../config/topology-schema.js';
import { readMetrics } from '../metrics-log.js';
import { renderReport } from './render-report.js';
import type { GridPair } from './sample-rows.js';

/**
 * Writes `report.html` from what a run directory holds, and returns its path. It can be written again at any time.
 *
 * **Errors**: TRIB_FILE where it cannot be written.
 */
export async function writeReport(runPath: string, config: ResolvedConfig): Promise<string> {
  const lines = await readMetrics(runPath);
  const evaluations = lines.filter((line) => line.kind === 'evaluation');
  const html = renderReport({
    config,
    stages: lines.filter((line) => line.kind === 'stage'),
    // A run that was resumed may have measured one policy twice.
    evaluations: evaluations.filter(
      ({ trainingStage }, index) => evaluations[index + 1]?.trainingStage !== trainingStage,
    ),
    best: (await readBest(runPath))?.evaluation ?? null,
    alarms: lines.filter((line) => line.kind === 'alarm'),
    grids: await readGrids(join(runPath, 'samples')),
  });
  const path = join(runPath, 'report.html');
  await writeFileAtomic(path, html);
  return path;
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
