import { basename, dirname, isAbsolute, join } from 'node:path';
import { closest } from 'fastest-levenshtein';
import * as z from 'zod';
import { PATHS } from '../../../fields.js';
import { isPackageName, packageFile, packageNames } from '../../../own-package.js';
import { type FaultDetail, nearestName, type Path } from './fault.js';
import { isMapping, valueAt, withValueAt } from './value-tree.js';

/** A file or folder that a config names. */
export interface NamedFile {
  readonly path: Path;
  readonly name: string;
  readonly leadsTo: NonNullable<ReturnType<typeof PATHS.get>>['leadsTo'];
}

/** Returns the files that a config, or a faulty one, names in the fields of a schema, in the order of the schema. */
export function namedFiles(schema: z.ZodType, value: unknown, path: Path = []): NamedFile[] {
  if (!holdsFiles(schema)) return [];
  const field = PATHS.get(schema);
  if (field) return typeof value === 'string' && value !== '' ? [{ path, name: value, ...field }] : [];
  const below = (inner: unknown, part: string | number) =>
    namedFiles(inner as z.ZodType, valueAt(value, [part]), [...path, part]);
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape).flatMap(([key, inner]) => below(inner, key));
  if (schema instanceof z.ZodRecord)
    return isMapping(value) ? Object.keys(value).flatMap((key) => below(schema.valueType, key)) : [];
  if (schema instanceof z.ZodArray)
    return Array.isArray(value) ? value.flatMap((_, index) => below(schema.element, index)) : [];
  if (schema instanceof z.ZodUnion)
    return schema.options
      .filter((option) => isVariant(option as z.ZodType, value))
      .flatMap((option) => namedFiles(option as z.ZodType, value, path));
  const inner = innerOf(schema);
  return inner ? namedFiles(inner as z.ZodType, value, path) : [];
}

const known = new WeakMap<z.ZodType, boolean>();

/** Whether a schema has a field that names a file: most settings have none, and are passed over at once. */
function holdsFiles(schema: z.ZodType): boolean {
  const holds = known.get(schema) ?? (PATHS.get(schema) !== undefined || partsOf(schema).some(holdsFiles));
  known.set(schema, holds);
  return holds;
}

function partsOf(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodObject) return Object.values(schema.shape);
  if (schema instanceof z.ZodRecord) return [schema.valueType as z.ZodType];
  if (schema instanceof z.ZodArray) return [schema.element as z.ZodType];
  if (schema instanceof z.ZodUnion) return schema.options as readonly z.ZodType[];
  const inner = innerOf(schema);
  return inner ? [inner as z.ZodType] : [];
}

/** Whether a value is of this variant, by the words that tell variants apart. */
function isVariant(option: z.ZodType, value: unknown): boolean {
  if (!(option instanceof z.ZodObject)) return true;
  return Object.entries(option.shape)
    .filter(([, inner]) => literalOf(inner as z.ZodType))
    .every(([key, inner]) => (inner as z.ZodType).safeParse(valueAt(value, [key])).success);
}

function literalOf(schema: z.ZodType): boolean {
  if (schema instanceof z.ZodLiteral) return true;
  const inner = innerOf(schema);
  return inner !== undefined && literalOf(inner as z.ZodType);
}

/** What a default, an optional field or a transformed one is made around. */
function innerOf(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodPipe) return schema.in;
  return schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable
    ? schema.unwrap()
    : undefined;
}

/** Returns a config with other names of its files. */
export function mapFiles<Config>(
  schema: z.ZodType,
  config: Config,
  rename: (name: string) => string,
): Config {
  // Only text takes the place of text.
  return namedFiles(schema, config).reduce<unknown>(
    (value, { path, name }) => withValueAt(value, path, rename(name)),
    config,
  ) as Config;
}

/** The place of a file that is named in the file at `namedIn`: relative to it, absolute, or in the package; null if not there. */
export function placeOfName(name: string, namedIn: string): string | null {
  if (isPackageName(name)) return packageFile(name);
  return isAbsolute(name) ? name : join(dirname(namedIn), name);
}

/**
 * Replaces the names of files in a config by their places.
 *
 * @param writtenIn returns the path of the file that holds the word at a path of the config.
 */
export function placeFiles(
  schema: z.ZodType,
  config: unknown,
  writtenIn: (path: Path) => string,
): { readonly value: unknown; readonly faults: readonly FaultDetail[] } {
  let value = config;
  const faults: FaultDetail[] = [];
  for (const { path, name } of namedFiles(schema, config)) {
    const place = placeOfName(name, writtenIn(path));
    if (place === null) faults.push({ path, ...noSuchName(name, packageNames().models) });
    else value = withValueAt(value, path, place);
  }
  return { value, faults };
}

/** What is wrong with a name that leads to nothing in the package. */
export function noSuchName(name: string, known: readonly string[]): Omit<FaultDetail, 'path'> {
  const meant = meantName(name, known);
  return {
    kind: 'bad-value',
    expected: `something that the package brings, such as ${known.slice(0, 3).join(', ')}`,
    got: JSON.stringify(name),
    nextStep:
      meant === undefined ? 'Write the path of a file without `tributary:`.' : `Did you mean "${meant}"?`,
  };
}

const afterScheme = (name: string) => name.slice(name.indexOf(':') + 1);

/** The name that was probably meant; a beginning of it is near enough, and so is its end alone: `grpo`, `shapes-b3`. */
function meantName(name: string, known: readonly string[]): string | undefined {
  const written = afterScheme(name);
  const forms = known.flatMap((whole) =>
    [afterScheme(whole), basename(afterScheme(whole))].map((word) => ({ whole, word })),
  );
  const begins = ({ word }: { readonly word: string }) => word.slice(0, written.length);
  const nearest = nearestName(written, forms.map(begins));
  const alike = forms.filter((form) => begins(form) === nearest);
  const word = closest(
    written,
    alike.map((form) => form.word),
  );
  return alike.find((form) => form.word === word)?.whole;
}
