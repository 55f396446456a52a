import type { z } from 'zod';
import { TributaryError } from '../../../errors.js';
import type { ConfigSource } from './config-source.js';
import { createFault, type Fault, type FaultDetail, type Path, type Place } from './fault.js';
import { placeFiles } from './named-files.js';
import { applyOverrides, type Override } from './overrides.js';
import { faultsOfIssue } from './schema-faults.js';
import { isMapping, isReplacedAt, mergeValues, valueAt, withValueAt } from './value-tree.js';
import { versionFault } from './version.js';

interface LintTask<Config> {
  /** The file, then the one that it extends, and so on. */
  readonly sources: readonly ConfigSource[];
  /** What followed each `--set` of the command line. */
  readonly overrides?: readonly string[];
  /** The file that holds the overrides, where one does: paths in them are relative to it. Default: to the working directory. */
  readonly overridesFile?: string | undefined;
  /** Whether paths are relative to the working directory, wherever they are written. */
  readonly isPlaced?: boolean | undefined;
  readonly schema: z.ZodType<Config>;
  /** Whether each file says the version of its words. */
  readonly isVersioned: boolean;
  /** Returns faults across fields, given the config as written and the faults of its text and its fields. */
  readonly faultsAcross?: (value: unknown, faults: readonly FaultDetail[]) => readonly FaultDetail[];
}

export interface Linted<Config> {
  /** The config with every default filled in; absent where there is a fault. */
  readonly config?: Config;
  /** The config without defaults: what the files and the overrides state, files by their places; absent where there is a fault. */
  readonly stated?: object;
  /** All faults, in the order of the text, those of the command line last. */
  readonly faults: readonly Fault[];
}

/**
 * Checks the files that a config is made of, whatever it configures. Files that it names are relative to the file that holds
 * the word; in the result they are relative to the working directory, or absolute where the word is or the package holds
 * them. All faults are found in one pass. Text that cannot be parsed hides the rest, and so do a file below that cannot be
 * used and the words of another version, which would make a fault each; a key that stands twice hides what is below it.
 */
export function lintSources<Config>(task: LintTask<Config>): Linted<Config> {
  const { sources, schema } = task;
  const textFaults = sources.flatMap(({ faults }) => faults);
  if (textFaults.some(({ kind }) => kind === 'syntax' || kind === 'extends'))
    return { faults: inOrder(textFaults) };
  const versionFaults = task.isVersioned ? sources.flatMap((source) => versionFault(source) ?? []) : [];
  if (versionFaults.length > 0) return { faults: inOrder([...textFaults, ...versionFaults]) };

  const written = sources
    .map(({ value }) => (isMapping(value) ? withValueAt(value, ['extends'], undefined) : value))
    .reduceRight((under, over) => mergeValues(under, over));
  const { value: named, overrides, faults: overrideFaults } = applyOverrides(written, task.overrides ?? []);
  const { value, faults: nameFaults } = placeFiles(schema, named, (path) => {
    const isOverridden = overrides.some((one) => one.path.length <= path.length && overlap(one.path, path));
    if (isOverridden) return task.overridesFile ?? '';
    const source = sources.find(({ value }) => valueAt(value, path) !== undefined);
    return task.isPlaced ? '' : (source?.file ?? '');
  });
  const parsed = schema.safeParse(value);
  const details = (parsed.error?.issues ?? []).flatMap((issue) => faultsOfIssue(issue, value));
  const across = task.faultsAcross?.(value, [...textFaults, ...details]) ?? [];
  // Which of two mappings of one name is meant is not known.
  const isHidden = ({ path }: FaultDetail) =>
    textFaults.some((twice) => twice.path.length <= path.length && overlap(twice.path, path));
  const faults = [...nameFaults, ...details, ...across]
    .filter((detail) => !isHidden(detail))
    .map((detail) => locate(detail, sources, overrides));
  const all = [...textFaults, ...overrideFaults, ...faults];
  return parsed.success && all.length === 0
    ? { config: parsed.data, stated: value as object, faults: [] }
    : { faults: inOrder(all) };
}

/** Returns the config. Errors: TRIB_CONFIG with each fault on a line of its own. */
export function requireConfig<Config>({ config, faults }: Linted<Config>): Config {
  if (config !== undefined) return config;
  throw new TributaryError('TRIB_CONFIG', faults.map(({ message }) => message).join('\n'));
}

/** Puts a fault where `placeOf` finds it. */
export function locate(
  detail: FaultDetail,
  sources: readonly ConfigSource[],
  overrides: readonly Override[] = [],
): Fault {
  return createFault(placeOf(detail, sources, overrides), detail);
}

/** Returns the place of a path, or of the innermost mapping around it. Where it is written twice, the last word counts. */
export function placeOf(
  { path: whole, thing }: Pick<FaultDetail, 'path' | 'thing'>,
  sources: readonly ConfigSource[],
  overrides: readonly Override[] = [],
): Place {
  const part = thing === undefined ? 'value' : 'key';
  for (let depth = whole.length; depth > 0; depth--) {
    const path = whole.slice(0, depth);
    const override = overrides.findLast((one) => overlap(one.path, path) && one.path.length <= path.length);
    if (override) return override.place;
    for (const [index, source] of sources.entries()) {
      const isHidden = sources.slice(0, index).some((over) => isReplacedAt(source.value, over.value, path));
      if (isHidden) continue;
      // Around something that is missing, the key of the mapping says more than its first entry.
      const place = source.placeOf(path, depth < whole.length ? 'key' : part);
      if (place) return place;
    }
    const above = overrides.findLast((one) => overlap(one.path, path));
    if (above) return above.place;
  }
  return sources[0]?.placeOf([], 'value') ?? { label: 'config', order: 0 };
}

/** Whether one path leads through the other. */
export function overlap(a: Path, b: Path): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.every((part, depth) => part === long[depth]);
}

/** Sorts faults as they stand in the text. */
export function inOrder(faults: readonly Fault[]): Fault[] {
  return [...faults].sort((a, b) => a.place.order - b.place.order);
}
