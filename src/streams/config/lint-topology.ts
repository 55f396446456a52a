import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { findContradictions } from './contradictions/index.js';
import { repairConfig } from './repair.js';
import { type ResolvedConfig, topologySchema } from './schema/topology-schema.js';
import { type ConfigSource, readConfigSource } from './source/config-source.js';
import {
  createFault,
  describeValue,
  type Fault,
  type FaultDetail,
  type Path,
  type Place,
} from './source/fault.js';
import { applyOverrides, type Override } from './source/overrides.js';
import { faultsOfIssue } from './source/schema-faults.js';
import { isMapping, isReplacedAt, mergeValues, withValueAt } from './source/value-tree.js';
import { versionFault } from './source/version.js';
import { findPortFaults } from './topology-ports.js';

export interface LintOptions {
  /** What followed each `--set` of the command line. */
  readonly overrides?: readonly string[];
  /** Reads the file that `extends` names. */
  readonly readText?: (path: string) => string;
  /** Leading sampler steps that draw noise under the scheduler of the config's model: see `readNoisySteps`. */
  readonly noisySteps?: number;
}

export interface LintResult {
  /** The config with every default filled in; absent where there is a fault. */
  readonly config?: ResolvedConfig;
  /** The config without defaults: what the files and the overrides state; absent where there is a fault. */
  readonly stated?: object;
  /** All faults, in the order of the text, those of the command line last. */
  readonly faults: readonly Fault[];
}

/**
 * Checks a topology and fills in its defaults. All faults are found in one pass: those of the YAML text (which, being
 * unreadable, hide the rest), unknown keys and words, missing and bad values, and settings that do not fit together.
 * A setting across fields is judged only where the fields themselves are in order.
 *
 * @param text The YAML text.
 * @param path The name of its file: it stands in the faults, and `extends` is relative to it.
 */
export function lintTopology(text: string, path: string, options: LintOptions = {}): LintResult {
  const { overrides: overrideTexts = [], readText = (file) => readFileSync(file, 'utf8') } = options;
  const file = readConfigSource(text, path, 0);
  const below = readBases(file, path, readText);
  const sources = [file, ...below.sources];
  const textFaults = [...sources.flatMap(({ faults }) => faults), ...below.faults];
  if (textFaults.some(({ kind }) => kind === 'syntax')) return { faults: inOrder(textFaults) };
  // The words of another version would make a fault each.
  const versionFaults = sources.map(versionFault).filter((fault) => fault !== null);
  if (versionFaults.length > 0) return { faults: inOrder([...textFaults, ...versionFaults]) };

  const merged = sources
    .map(({ value }) => (isMapping(value) ? withValueAt(value, ['extends'], undefined) : value))
    .reduceRight((under, over) => mergeValues(under, over));
  const { value, overrides, faults: overrideFaults } = applyOverrides(merged, overrideTexts);
  const faults = [...textFaults, ...overrideFaults];
  for (const detail of faultsOfConfig(value, options.noisySteps))
    faults.push(createFault(placeOf(detail, sources, overrides), detail));
  if (faults.length > 0) return { faults: inOrder(faults) };
  return { config: topologySchema.parse(value), stated: value as object, faults: [] };
}

/** Reads the file that a config is laid over, the one below that, and so on. */
function readBases(
  file: ConfigSource,
  path: string,
  readText: (path: string) => string,
): { sources: ConfigSource[]; faults: Fault[] } {
  const sources: ConfigSource[] = [];
  const paths = [normalize(path)];
  for (let over = file; ; over = sources.at(-1) as ConfigSource) {
    const name = isMapping(over.value) ? over.value.extends : undefined;
    if (name === undefined) return { sources, faults: [] };
    const fault = (expected: string, got: string, nextStep: string) => {
      const detail: FaultDetail = { kind: 'extends', path: ['extends'], expected, got, nextStep };
      return { sources, faults: [createFault(placeOf(detail, [over], []), detail)] };
    };
    if (typeof name !== 'string' || name === '') {
      return fault('the path of a config file', describeValue(name), 'Write it relative to this file.');
    }
    const basePath = join(dirname(paths.at(-1) as string), name);
    if (paths.includes(basePath)) {
      return fault('a config that does not extend this one', basePath, 'Extend another one.');
    }
    let text: string;
    try {
      text = readText(basePath);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
      return fault('a file that can be read', `${code} at ${basePath}`, 'Write it relative to this file.');
    }
    sources.push(readConfigSource(text, basePath, -paths.length));
    paths.push(basePath);
  }
}

/** Faults of the schema, then those across fields that do not rest on a faulty one. */
function faultsOfConfig(value: unknown, noisySteps?: number): FaultDetail[] {
  const parsed = topologySchema.safeParse(value);
  const issues = parsed.success ? [] : parsed.error.issues;
  const faults = issues.flatMap((issue) => faultsOfIssue(issue, value));
  const repaired = repairConfig(value);
  if (!repaired) return faults;
  const faulty = faults.filter(({ kind }) => kind !== 'unknown-key').map(({ path }) => path);
  const contradictions = [
    ...findContradictions(repaired.config, noisySteps),
    ...(repaired.lacksStages ? [] : findPortFaults(repaired.config)),
  ].filter(({ involves }) => !involves.some((path) => faulty.some((bad) => overlap(bad, path))));
  return [...faults, ...contradictions];
}

/** Whether one path leads through the other. */
function overlap(a: Path, b: Path): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.every((part, depth) => part === long[depth]);
}

/** The place of what is at fault, or of the innermost mapping around it; what was written last comes first. */
function placeOf(
  fault: FaultDetail,
  sources: readonly ConfigSource[],
  overrides: readonly Override[],
): Place {
  const part = fault.thing === 'the key' ? 'key' : 'value';
  for (let depth = fault.path.length; depth > 0; depth--) {
    const path = fault.path.slice(0, depth);
    const override = overrides.findLast((one) => overlap(one.path, path) && one.path.length <= path.length);
    if (override) return override.place;
    for (const [index, source] of sources.entries()) {
      const isHidden = sources.slice(0, index).some((over) => isReplacedAt(source.value, over.value, path));
      if (isHidden) continue;
      // Around something that is missing, the key of the mapping says more than its first entry.
      const place = source.placeOf(path, depth < fault.path.length ? 'key' : part);
      if (place) return place;
    }
    const above = overrides.findLast((one) => overlap(one.path, path));
    if (above) return above.place;
  }
  return sources[0]?.placeOf([], 'value') ?? { label: 'config', order: 0 };
}

function inOrder(faults: readonly Fault[]): Fault[] {
  return [...faults].sort((a, b) => a.place.order - b.place.order);
}
