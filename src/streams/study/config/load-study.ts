import { readFileSync } from 'node:fs';
import { TributaryError } from '../../../errors.js';
import { readConfigText } from '../../config/load-topology.js';
import { lintStudy } from './lint-study.js';
import type { Study } from './study.js';

/**
 * Reads a study and the presets it names.
 *
 * **Errors**: TRIB_CONFIG with every fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadStudy(path: string): Promise<Study> {
  const text = await readConfigText(path);
  const { study, faults } = lintStudy(text, path, (file) => readFileSync(file, 'utf8'));
  if (study) return study;
  throw new TributaryError('TRIB_CONFIG', faults.join('\n'));
}
