import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { isPackageName, packageNames, presetFile } from '../../own-package.js';
import { type LintedTopology, type LintOptions, lintTopology } from './lint-topology.js';
import { loadModules } from './named-modules.js';
import type { ResolvedConfig } from './schema/topology-schema.js';
import { type ConfigKind, requireKind } from './source/config-kind.js';
import { requireConfig } from './source/lint-sources.js';
import { noSuchName } from './source/named-files.js';
import type { TryModules } from './stage-modules.js';

/**
 * Returns the path of a config, which may be given as a preset of the package, `tributary:demo`.
 *
 * Errors: TRIB_USAGE where the package has none of that name.
 */
export function configPath(word: string): string {
  const path = isPackageName(word) ? presetFile(word) : word;
  if (path !== null) return path;
  const { expected, got, nextStep } = noSuchName(word, packageNames().presets);
  throw new TributaryError('TRIB_USAGE', `config ${word}: expected ${expected}, got ${got}. ${nextStep}`);
}

/**
 * Reads the text of a config.
 *
 * @param kind What it must configure; null: whatever it does. Default: a topology.
 *
 * Errors: TRIB_USAGE where the file cannot be read, or configures something else.
 */
export async function readConfigText(path: string, kind: ConfigKind | null = 'topology'): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_USAGE',
      `config ${path}: expected a file that can be read, got ${cause.code ?? cause.message}. Name a YAML file, or a preset such as tributary:demo.`,
      { cause },
    );
  });
  if (kind !== null) requireKind(text, path, kind);
  return text;
}

interface ModuleOptions {
  /** Tries out the modules of operators and rewards. Default: none is, and each is loaded where it runs. */
  readonly tryModules?: TryModules | undefined;
}

/** Checks a topology as `lintTopology` does, with the users' modules that it names, which are loaded first. */
export async function lintWithModules(
  text: string,
  path: string,
  { tryModules = async () => new Map(), ...options }: LintOptions & ModuleOptions = {},
): Promise<LintedTopology> {
  const linted = lintTopology(text, path, options);
  const modules = await loadModules(linted.modules);
  const stageModules = await tryModules(linted.stageModules, linted.config);
  return modules.size + stageModules.size === 0
    ? linted
    : lintTopology(text, path, { ...options, modules, stageModules });
}

/**
 * Reads a topology from its file, with `--set` texts laid over it.
 *
 * Errors: TRIB_CONFIG with every fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadTopology(
  path: string,
  overrides: readonly string[] = [],
  options: Pick<LintOptions, 'isPlaced'> & ModuleOptions = {},
): Promise<ResolvedConfig> {
  const file = configPath(path);
  return requireConfig(await lintWithModules(await readConfigText(file), file, { overrides, ...options }));
}
