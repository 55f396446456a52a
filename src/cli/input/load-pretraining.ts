import {
  type PretrainingConfig,
  pretrainingSchema,
} from '../../models/shapes/pretraining/pretraining-config.js';
import { configPath, readConfigText } from '../../streams/config/load-topology.js';
import { readConfigSource } from '../../streams/config/source/config-source.js';
import { type Linted, lintSources, requireConfig } from '../../streams/config/source/lint-sources.js';

/**
 * Reads the settings of a pretraining.
 *
 * Errors: TRIB_CONFIG with each fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadPretraining(path: string): Promise<PretrainingConfig> {
  const file = configPath(path);
  return requireConfig(lintPretraining(await readConfigText(file, 'pretraining'), file));
}

/** Checks the settings of a pretraining. */
export function lintPretraining(text: string, path: string): Linted<PretrainingConfig> {
  const source = readConfigSource(text, path, 0);
  return lintSources({ sources: [source], schema: pretrainingSchema, isVersioned: false });
}
