import { readFileSync } from 'node:fs';
import { readConfigText } from '../../config/load-topology.js';
import { requireConfig } from '../../config/source/lint-sources.js';
import { lintStudy } from './lint-study.js';
import type { Study } from './study.js';

/**
 * Reads a study and the presets it names.
 *
 * Errors: TRIB_CONFIG with each fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadStudy(path: string): Promise<Study> {
  const text = await readConfigText(path);
  return requireConfig(lintStudy(text, path, (file) => readFileSync(file, 'utf8')));
}
