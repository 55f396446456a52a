import { stringify } from 'yaml';
import type { ResolvedConfig, TopologyFile } from '../streams/config/schema/topology-schema.js';
import type { Linted } from '../streams/config/source/lint-sources.js';

/** Where a topology comes from: the path of a YAML file, a preset such as `tributary:demo`, or what such a file would hold. */
export type TopologySource = string | TopologyFile;

/** The name of a topology without a file, in faults. */
const IN_CODE = 'topology';

/**
 * Checks a topology and returns all of its faults, or the topology with every default filled in.
 *
 * @param source A topology in code is checked as if it stood in a file of the working directory.
 * @param set Overrides such as `seed=8` or `stages.trainer.learningRate=1e-4`, as `--set` takes them.
 *
 * Errors: TRIB_USAGE where the file cannot be read.
 */
export async function lint(
  source: TopologySource,
  set: readonly string[] = [],
): Promise<Linted<ResolvedConfig>> {
  const { configPath, lintWithModules, readConfigText } = await import('../streams/config/load-topology.js');
  const { tryModules } = await import('../streams/run/modules/try-modules.js');
  const options = { overrides: set, tryModules };
  if (typeof source !== 'string') return lintWithModules(stringify(source), IN_CODE, options);
  const path = configPath(source);
  return lintWithModules(await readConfigText(path), path, options);
}

/**
 * Reads a topology, with every default filled in: what `train` takes.
 *
 * @param source As for `lint`.
 * @param set As for `lint`.
 *
 * Errors: TRIB_CONFIG with every fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadTopology(
  source: TopologySource,
  set: readonly string[] = [],
): Promise<ResolvedConfig> {
  const { requireConfig } = await import('../streams/config/source/lint-sources.js');
  return requireConfig(await lint(source, set));
}
