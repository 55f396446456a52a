import {
  type PretrainingConfig,
  pretrainingSchema,
} from '../../models/shapes/pretraining/pretraining-config.js';
import { readConfigText } from '../../streams/config/load-topology.js';
import { readConfigSource } from '../../streams/config/source/config-source.js';
import { lintSources, requireConfig } from '../../streams/config/source/lint-sources.js';

/**
 * Reads the settings of a pretraining.
 *
 * Errors: TRIB_CONFIG with each fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadPretraining(path: string): Promise<PretrainingConfig> {
  const source = readConfigSource(await readConfigText(path), path, 0);
  return requireConfig(lintSources({ sources: [source], schema: pretrainingSchema, isVersioned: false }));
}
