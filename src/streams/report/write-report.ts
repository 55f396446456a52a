import { join } from 'node:path';
import { writeFileAtomic } from '../../models/files/atomic.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { readReport } from './read-report.js';
import { renderReport } from './render-report.js';

/**
 * Writes `report.html` from what a run directory holds, and returns its path. It can be written again at any time.
 *
 * **Errors**: TRIB_FILE where it cannot be written.
 */
export async function writeReport(runPath: string, config: ResolvedConfig): Promise<string> {
  const path = join(runPath, 'report.html');
  await writeFileAtomic(path, renderReport(await readReport(runPath, config)));
  return path;
}
