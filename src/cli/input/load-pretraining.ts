import {
  type PretrainingConfig,
  pretrainingSchema,
} from '../../models/shapes/pretraining/pretraining-config.js';
import { configPath, readConfigText } from '../../streams/config/load-topology.js';
import { readConfigSource } from '../../streams/config/source/config-source.js';
import { lintSources, requireConfig } from '../../streams/config/source/lint-sources.js';

/**
 * Reads the settings of a pretraining.
 *
 * Errors: TRIB_CONFIG with each fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadPretraining(path: string): Promise<PretrainingConfig> {
  const file = configPath(path);
  const source = readConfigSource(await readConfigText(file), file, 0);
  return requireConfig(lintSources({ sources: [source], schema: pretrainingSchema, isVersioned: false }));
}
