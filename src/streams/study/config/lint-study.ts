import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isPackageName, packageNames, placeInPackage, presetFile } from '../../../own-package.js';
import { lintTopology } from '../../config/lint-topology.js';
import { configPath, readConfigText } from '../../config/load-topology.js';
import { type LoadedModules, loadModules, type NamedModule } from '../../config/named-modules.js';
import { deriveSizes } from '../../config/resolved/derived-sizes.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import { type ResolvedConfig, topologySchema } from '../../config/schema/topology-schema.js';
import { type ConfigSource, readConfigSource, readNamed } from '../../config/source/config-source.js';
import type { Fault, FaultDetail, Path } from '../../config/source/fault.js';
import {
  inOrder,
  type Linted,
  lintSources,
  locate,
  placeOf,
  requireConfig,
} from '../../config/source/lint-sources.js';
import { mapFiles, noSuchName } from '../../config/source/named-files.js';
import { pathOfKey } from '../../config/source/overrides.js';
import { valueAt } from '../../config/source/value-tree.js';
import type { StageModule, StageModuleFaults } from '../../config/stage-modules.js';
import { tryModules } from '../../run/modules/try-modules.js';
import { networkPasses } from './network-passes.js';
import { configFingerprint, type Study, type StudyRow } from './study.js';
import { findStudyFaults } from './study-rules.js';
import { type StudyFile, studySchema } from './study-schema.js';

/**
 * Checks a study and resolves the config of each row. Beyond its own fields: every row that a comparison names exists,
 * every preset lints with its changes, every row uses exactly its budget of reward queries, all rows are evaluated
 * alike, however often, and no guard stops a run.
 *
 * @param path The name of the file: it stands in the faults, and the presets are relative to it.
 * @param readText Reads a preset, and what it extends.
 * @param modules The users' modules that the presets name, loaded; without them, where some name any, only their names
 * are found.
 * @param stageModules What is wrong with the modules of their operators and rewards. Default: nothing, none is tried out.
 */
export function lintStudy(
  text: string,
  path: string,
  readText: (path: string) => string,
  modules?: LoadedModules,
  stageModules?: StageModuleFaults,
): LintedStudy {
  const source = readConfigSource(text, path, 0);
  const { config: file, faults } = lintSources({
    sources: [source],
    schema: studySchema,
    isVersioned: true,
  });
  if (!file) return { faults, modules: [], stageModules: [] };
  const named = { modules: [] as NamedModule[], stageModules: [] as StageModule[] };
  const sources: Sources = { source, path, readText, modules, stageModules, named };
  const resolved = Object.entries(file.rows).map(([name, row]) => resolveRow(name, row, file, sources));
  if (named.modules.length > 0 && !modules) return { faults: [], ...named };
  const rows = resolved.flatMap((row) => ('config' in row ? [row] : []));
  const details = [...findStudyFaults(file, rows), ...conclusionsFaults(file, sources)];
  const found = [
    ...resolved.flatMap((row) => ('config' in row ? [] : row)),
    ...details.map((detail) => locate(detail, [source])),
  ];
  if (found.length > 0) return { faults: inOrder(found), ...named };
  const { name, seeds, charts, sections, outdated, budget, conclusions } = file;
  const study: Study = {
    name,
    path,
    seeds,
    rewardQueries: budget.rewardQueries,
    rows,
    chartRows: charts ?? rows.map((row) => row.name),
    sections,
    outdated,
    conclusionsPath: conclusions === undefined ? null : join(dirname(path), conclusions),
  };
  return { config: study, faults: [], ...named };
}

interface LintedStudy extends Linted<Study> {
  /** The users' modules that the presets name. */
  readonly modules: readonly NamedModule[];
  /** Those of their operators and rewards. */
  readonly stageModules: readonly StageModule[];
}

interface Sources {
  readonly source: ConfigSource;
  readonly path: string;
  readonly readText: (path: string) => string;
  readonly modules: LoadedModules | undefined;
  readonly stageModules: StageModuleFaults | undefined;
  /** Takes the modules that presets name. */
  readonly named: { readonly modules: NamedModule[]; readonly stageModules: StageModule[] };
}

/** A row with its config, or the faults that keep it from having one. */
function resolveRow(
  name: string,
  { preset, set, title, seeds, budget }: StudyFile['rows'][string],
  file: StudyFile,
  { source, path, readText, modules, stageModules, named }: Sources,
): StudyRow | Fault[] {
  const place: Path = ['rows', name, 'preset'];
  const presetPath = isPackageName(preset) ? presetFile(preset) : join(dirname(path), preset);
  if (presetPath === null) {
    return [locate({ path: place, ...noSuchName(preset, packageNames().presets) }, [source])];
  }
  const read = readNamed(presetPath, readText);
  if (!('text' in read)) return [locate({ kind: 'bad-value', path: place, ...read }, [source])];
  // JSON is YAML, so that text stays text.
  const overrides = Object.entries({ ...file.set, ...set }).map(
    ([key, value]) => `${key}=${JSON.stringify(value)}`,
  );
  const options = { overrides, overridesFile: path, readText, modules, stageModules };
  const linted = lintTopology(read.text, presetPath, options);
  const { config, stated, faults } = linted;
  named.modules.push(...linted.modules);
  named.stageModules.push(...linted.stageModules);
  if (linted.modules.length > 0 && !modules) return [];
  if (!config) {
    const at = placeOf({ path: place }, [source]);
    return faults.map((fault) => ({
      ...fault,
      place: at,
      message: `${at.label} rows.${name}: ${fault.message}`,
    }));
  }
  const { samplingEvaluations, trainingEvaluations } = deriveSizes(config);
  return {
    name,
    title,
    presetPath,
    overrides: overrides.map((override) => placed(override, config)),
    seeds: seeds ?? file.seeds,
    rewardQueries: (budget ?? file.budget).rewardQueries,
    config,
    numRounds: stageOf(config, 'prompts').numRounds,
    cost: networkPasses({ sampling: samplingEvaluations, training: trainingEvaluations }),
    // As the package's own files were written by the programs whose results are published.
    fingerprint: configFingerprint(mapFiles(topologySchema, stated, (file) => placeInPackage(file) ?? file)),
  };
}

/** An override for the child that trains: a file that it names has its place in the config. */
function placed(override: string, config: ResolvedConfig): string {
  const key = override.slice(0, override.indexOf('='));
  const value = valueAt(config, pathOfKey(key));
  return typeof value === 'string' ? `${key}=${JSON.stringify(value)}` : override;
}

/** Better known now than after hours of training. */
function conclusionsFaults({ conclusions }: StudyFile, { path, readText }: Sources): FaultDetail[] {
  if (conclusions === undefined) return [];
  const read = readNamed(join(dirname(path), conclusions), readText);
  return 'text' in read ? [] : [{ kind: 'bad-value', path: ['conclusions'], ...read }];
}

/**
 * Checks a study with the presets that it names.
 *
 * @param options `modules`: whether the users' modules that the presets name are loaded, and those of operators and rewards tried
 * out. Without them there is no study where any other is named.
 */
export async function lintStudyFile(
  text: string,
  path: string,
  { modules }: { readonly modules: boolean },
): Promise<Linted<Study>> {
  const read = (name: string) => readFileSync(name, 'utf8');
  const linted = lintStudy(text, path, read);
  if (!modules || linted.modules.length + linted.stageModules.length === 0) return linted;
  const loaded = await loadModules(linted.modules);
  return lintStudy(text, path, read, loaded, await tryModules(linted.stageModules));
}

/**
 * Reads a study and the presets it names.
 *
 * Errors: TRIB_CONFIG with each fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadStudy(path: string): Promise<Study> {
  const file = configPath(path);
  return requireConfig(await lintStudyFile(await readConfigText(file, 'study'), file, { modules: true }));
}
