import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { isPackageName, packageNames, presetFile } from '../../own-package.js';
import type { Contradiction } from './contradictions/config-rule.js';
import { findGraphFaults } from './contradictions/graph-faults.js';
import { findContradictions } from './contradictions/index.js';
import { findTestFaults } from './contradictions/test-faults.js';
import {
  forkModuleFaults,
  type LoadedModules,
  madeFaults,
  moduleFaults,
  type NamedModule,
  namedModules,
} from './named-modules.js';
import { repairConfig } from './repair.js';
import type { ModelFacts } from './resolved/model-facts.js';
import { type ConfigTests, testsSchema } from './schema/tests-schema.js';
import { type ResolvedConfig, testedTopologySchema, topologySchema } from './schema/topology-schema.js';
import { type ConfigSource, notExtended, readConfigSource, readNamed } from './source/config-source.js';
import { describeValue, type FaultDetail } from './source/fault.js';
import { type Linted, lintSources, locate, overlap } from './source/lint-sources.js';
import { type NamedFile, namedFiles, noSuchName } from './source/named-files.js';
import { isMapping, withValueAt } from './source/value-tree.js';
import {
  type StageModule,
  type StageModuleFaults,
  stageModuleFaults,
  stageModules,
} from './stage-modules.js';

export interface LintOptions {
  /** What followed each `--set` of the command line. */
  readonly overrides?: readonly string[];
  /** The file that holds them, where one does: paths in them are relative to it. Default: to the working directory. */
  readonly overridesFile?: string;
  /** Whether paths are relative to the working directory, as in runs of earlier versions, and not to the file. Default: no. */
  readonly isPlaced?: boolean;
  /** Reads the file that `extends` names. */
  readonly readText?: (path: string) => string;
  /**
   * Says what is wrong with a file that the config names, or with what it says of it; hears of each. Default: nothing, none is
   * opened.
   */
  readonly fileFaults?: (file: NamedFile) => readonly FaultDetail[];
  /** What is known of the config's model: see `readModelFacts`. Default: nothing, none is read. */
  readonly model?: ModelFacts | undefined;
  /** The users' modules that it names, loaded. Without them nothing is checked that depends on them. */
  readonly modules?: LoadedModules | undefined;
  /** What is wrong with the modules of its operators and rewards. Default: nothing, none is tried out. */
  readonly stageModules?: StageModuleFaults | undefined;
}

/** A checked topology. */
export interface LintedTopology extends Linted<ResolvedConfig> {
  /** The users' modules that it names. */
  readonly modules: readonly NamedModule[];
  /** Those of its operators and rewards. */
  readonly stageModules: readonly StageModule[];
  /** Its tests, which are no part of what runs; absent where there is a fault. */
  readonly tests?: ConfigTests;
}

/**
 * Checks a topology and fills in its defaults. All faults are found in one pass: those of the YAML text (which, being
 * unreadable, hide the rest), unknown keys and words, missing and bad values, and settings that do not fit together.
 * Settings are judged together only where each of them is in order and no key stands twice.
 *
 * @param text The YAML text.
 * @param path The name of its file: it stands in the faults, and `extends` is relative to it.
 */
export function lintTopology(text: string, path: string, options: LintOptions = {}): LintedTopology {
  const {
    fileFaults,
    overrides = [],
    overridesFile,
    isPlaced,
    readText = (file) => readFileSync(file, 'utf8'),
    model,
  } = options;
  let modules: readonly NamedModule[] = [];
  let ofStages: readonly StageModule[] = [];
  const linted = lintSources({
    sources: readSources(text, path, readText),
    overrides,
    overridesFile,
    isPlaced,
    schema: testedTopologySchema,
    isVersioned: true,
    faultsAcross(value, faults) {
      modules = namedModules(value);
      ofStages = stageModules(value);
      // What is wrong with a module that was to be loaded is known better than that its file is missing.
      const loaded = options.modules ? modules.map(({ path: place }) => [...place, 'module'].join()) : [];
      const files = namedFiles(topologySchema, value).filter((file) => !loaded.includes(file.path.join()));
      const ofFiles = files.flatMap((file) => (isPackageName(file.name) ? [] : (fileFaults?.(file) ?? [])));
      const isKnown = ({ path: place }: FaultDetail) =>
        [...faults, ...ofFiles].some((fault) => overlap(fault.path, place));
      return [
        ...faultsAcross(value, faults, { model, modules: options.modules }),
        ...ofFiles,
        ...stageModuleFaults(value, options.stageModules ?? new Map()).filter((fault) => !isKnown(fault)),
      ];
    },
  });
  if (!linted.config) return { faults: linted.faults, modules, stageModules: ofStages };
  const { tests = {}, ...config } = linted.config;
  const stated = linted.stated && (withValueAt(linted.stated, ['tests'], undefined) as object);
  return { faults: [], config, ...(stated && { stated }), tests, modules, stageModules: ofStages };
}

/** Reads a file, the one that it extends, the one below that, and so on. */
function readSources(
  text: string,
  path: string,
  readText: (path: string) => string,
  above: readonly string[] = [],
): ConfigSource[] {
  const source = readConfigSource(text, path, -above.length);
  const base = isMapping(source.value) ? source.value.extends : undefined;
  if (base === undefined) return [source];
  const fault = (said: Pick<FaultDetail, 'expected' | 'got' | 'nextStep'>): ConfigSource[] => {
    const detail: FaultDetail = { ...said, kind: 'extends', path: ['extends'] };
    return [{ ...source, faults: [...source.faults, locate(detail, [source])] }];
  };
  if (typeof base !== 'string' || base === '') return fault(notExtended(describeValue(base)));
  const paths = [...above, normalize(path)];
  const basePath = baseOf(base, path);
  const { presets } = packageNames();
  if (basePath === null) return fault(noSuchName(base, presets));
  if (paths.includes(basePath)) {
    const expected = 'a config that does not extend this one';
    return fault({ expected, got: basePath, nextStep: 'Extend another one.' });
  }
  const file = readNamed(basePath, readText);
  if ('text' in file) return [source, ...readSources(file.text, basePath, readText, paths).map(withoutTests)];
  const preset = presets.find((name) => name === `tributary:${base}`);
  return fault(preset === undefined ? file : { ...file, nextStep: `Did you mean "${preset}"?` });
}

/** The tests of a file are of that file. */
function withoutTests(source: ConfigSource): ConfigSource {
  return isMapping(source.value)
    ? { ...source, value: withValueAt(source.value, ['tests'], undefined) }
    : source;
}

/** The path of the config that the one at `path` extends; null for a preset that the package does not have. */
function baseOf(base: string, path: string): string | null {
  if (isPackageName(base)) return presetFile(base);
  return isAbsolute(base) ? base : join(dirname(path), base);
}

/** Settings that do not fit together, where none of them is at fault itself. */
function faultsAcross(
  value: unknown,
  faults: readonly FaultDetail[],
  { model, modules }: Pick<LintOptions, 'model' | 'modules'>,
): FaultDetail[] {
  if (faults.some(({ kind }) => kind === 'duplicate-key')) return [];
  const repaired = repairConfig(isMapping(value) ? withValueAt(value, ['tests'], undefined) : value);
  if (!repaired) return [];
  const tests = isMapping(value) ? testsSchema.safeParse(value.tests) : { success: false as const };
  const faulty = faults.filter(({ kind }) => kind !== 'unknown-key').map(({ path }) => path);
  return [
    ...contradictions(value, repaired.config, { model, modules }),
    ...(repaired.lacksStages ? [] : findGraphFaults(repaired.config)),
    ...(repaired.lacksStages || !tests.success ? [] : findTestFaults(repaired.config, tests.data)),
  ].filter(({ involves }) => !involves.some((path) => faulty.some((bad) => overlap(bad, path))));
}

/** Nothing is known of settings that depend on a module which is not loaded, or which is no such module. */
function contradictions(
  value: unknown,
  config: ResolvedConfig,
  { model, modules }: Pick<LintOptions, 'model' | 'modules'>,
): Contradiction[] {
  const forks = forkModuleFaults(config);
  if (forks.length > 0) return forks;
  if (namedModules(value).length === 0) return findContradictions(config, model);
  if (!modules) return [];
  const files = moduleFaults(value, modules);
  if (files.length > 0) return files;
  const made = madeFaults(config);
  return made.length > 0 ? made : findContradictions(config, model);
}
