import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { findContradictions } from './contradictions/index.js';
import { repairConfig } from './repair.js';
import { type ResolvedConfig, topologySchema } from './schema/topology-schema.js';
import { type ConfigSource, readConfigSource, readNamed } from './source/config-source.js';
import { describeValue, type FaultDetail } from './source/fault.js';
import { type Linted, lintSources, locate, overlap } from './source/lint-sources.js';
import { isMapping } from './source/value-tree.js';
import { findPortFaults } from './topology-ports.js';

export interface LintOptions {
  /** What followed each `--set` of the command line. */
  readonly overrides?: readonly string[];
  /** Reads the file that `extends` names. */
  readonly readText?: (path: string) => string;
  /** Leading sampler steps that draw noise under the scheduler of the config's model: see `readNoisySteps`. */
  readonly noisySteps?: number;
}

/**
 * Checks a topology and fills in its defaults. All faults are found in one pass: those of the YAML text (which, being
 * unreadable, hide the rest), unknown keys and words, missing and bad values, and settings that do not fit together.
 * Settings are judged together only where each of them is in order.
 *
 * @param text The YAML text.
 * @param path The name of its file: it stands in the faults, and `extends` is relative to it.
 */
export function lintTopology(text: string, path: string, options: LintOptions = {}): Linted<ResolvedConfig> {
  const { overrides = [], readText = (file) => readFileSync(file, 'utf8'), noisySteps } = options;
  return lintSources({
    sources: readSources(text, path, readText),
    overrides,
    schema: topologySchema,
    isVersioned: true,
    faultsAcross: (value, faults) => faultsAcross(value, faults, noisySteps),
  });
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
  const fault = (expected: string, got: string, nextStep: string): ConfigSource[] => {
    const detail: FaultDetail = { kind: 'extends', path: ['extends'], expected, got, nextStep };
    return [{ ...source, faults: [...source.faults, locate(detail, [source])] }];
  };
  if (typeof base !== 'string' || base === '') {
    return fault('the path of a config file', describeValue(base), 'Write it relative to this file.');
  }
  const paths = [...above, normalize(path)];
  const basePath = join(dirname(path), base);
  if (paths.includes(basePath)) {
    return fault('a config that does not extend this one', basePath, 'Extend another one.');
  }
  const file = readNamed(basePath, readText);
  return 'text' in file
    ? [source, ...readSources(file.text, basePath, readText, paths)]
    : fault(file.expected, file.got, file.nextStep);
}

/** Settings that do not fit together, where none of them is at fault itself. */
function faultsAcross(value: unknown, faults: readonly FaultDetail[], noisySteps?: number): FaultDetail[] {
  const repaired = repairConfig(value);
  if (!repaired) return [];
  const faulty = faults.filter(({ kind }) => kind !== 'unknown-key').map(({ path }) => path);
  return [
    ...findContradictions(repaired.config, noisySteps),
    ...(repaired.lacksStages ? [] : findPortFaults(repaired.config)),
  ].filter(({ involves }) => !involves.some((path) => faulty.some((bad) => overlap(bad, path))));
}
