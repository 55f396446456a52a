import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, type Scalar, visit } from 'yaml';
import { createFault, type Fault, type FaultDetail, type Path, type Place } from './fault.js';
import { parseYaml } from './parse-yaml.js';

/** One of the files of a config, which knows where everything stands. */
export interface ConfigSource {
  /** Its path. */
  readonly file: string;
  readonly value: unknown;
  /** Faults of the text itself. `value` means nothing where one of them is of kind `syntax`. */
  readonly faults: readonly Fault[];
  /** Where the key or the value at a path stands; nothing where this source does not hold the path. */
  placeOf(path: Path, part: 'key' | 'value'): Place | undefined;
}

/** Files are ordered by layer, and within a file by position. */
const LAYER_SIZE = 2 ** 32;

/**
 * Reads a YAML file, as `parseYaml` does. Keys must be plain text and stand once in a mapping; aliases are followed.
 *
 * @param layer Files are laid over those of lower layers.
 */
export function readConfigSource(text: string, file: string, layer: number): ConfigSource {
  const { document, lineCounter, problems, value } = parseYaml(text);
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { label: `${file}:${line}:${col}`, order: layer * LAYER_SIZE + offset };
  };
  const syntaxFault = (offset: number, problem: string): Fault => {
    const place = placeAt(offset);
    // A preset without its name, or with a blank before it, is a mapping to YAML.
    const [, base] = /^extends:\s+(tributary:.*)/.exec(lineAt(text, offset)) ?? [];
    if (base !== undefined)
      return createFault(place, { kind: 'syntax', path: ['extends'], ...notExtended(JSON.stringify(base)) });
    return createFault(place, {
      kind: 'syntax',
      path: [],
      thing: 'YAML',
      expected: 'text that can be parsed',
      got: problem,
      nextStep: 'Correct this line.',
    });
  };

  const faults = problems.map(({ offset, problem }) => syntaxFault(offset, problem));
  if (faults.length === 0) faults.push(...keyFaults(document, placeAt, syntaxFault));
  return {
    file,
    value,
    faults,
    placeOf(path, part) {
      if (path.length === 0) return placeAt(document.contents?.range?.[0] ?? 0);
      const found = entryAt(document, path);
      const offset = part === 'key' ? found?.keyOffset : found?.valueOffset;
      return offset === undefined ? undefined : placeAt(offset);
    },
  };
}

/** The line that a place in a text is in. */
function lineAt(text: string, offset: number): string {
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1).split('\n', 1)[0] ?? '';
}

/** What is wrong with something that `extends` does not take. */
export function notExtended(got: string): Pick<FaultDetail, 'expected' | 'got' | 'nextStep'> {
  return {
    expected: 'the path of a config file, or a preset such as tributary:demo',
    got,
    nextStep: 'Write a path relative to this file, or a preset that `tributary presets` lists.',
  };
}

/** Reads a file that a config names, or says what is wrong with the name. */
export function readNamed(
  path: string,
  readText: (path: string) => string,
): { readonly text: string } | Pick<FaultDetail, 'expected' | 'got' | 'nextStep'> {
  try {
    return { text: readText(path) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
    const nextStep = 'Write its path relative to this file.';
    return { expected: 'a file that can be read', got: `${code} at ${path}`, nextStep };
  }
}

/** Keys that stand twice or are not plain words. */
function keyFaults(
  document: Document,
  placeAt: (offset: number) => Place,
  syntaxFault: (offset: number, problem: string) => Fault,
): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Map(_, map, ancestors) {
      const above = ancestors.filter(isPair).map(({ key }) => String((key as Scalar).value));
      const firstPlaces = new Map<string, Place>();
      for (const { key } of map.items) {
        const offset = (key as Node).range?.[0] ?? 0;
        const name = isScalar(key) ? String(key.value) : undefined;
        if (name === undefined || name === '__proto__') {
          faults.push(syntaxFault(offset, 'a key that is no plain word'));
          continue;
        }
        const first = firstPlaces.get(name);
        if (first === undefined) firstPlaces.set(name, placeAt(offset));
        else {
          faults.push(
            createFault(placeAt(offset), {
              kind: 'duplicate-key',
              path: [...above, name],
              thing: 'the key',
              expected: 'it once in a mapping',
              got: `it again after ${first.label}`,
              nextStep: 'Remove one of them.',
            }),
          );
        }
      }
    },
  });
  return faults;
}

interface Found {
  readonly keyOffset: number | undefined;
  readonly valueOffset: number | undefined;
}

/** Walks down to a path. Where a key stands twice, the last one counts, as it does for the value. */
function entryAt(document: Document, path: Path): Found | undefined {
  let node: unknown = document.contents;
  let found: Found | undefined;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!pair) return undefined;
      const keyOffset = (pair.key as Node).range?.[0];
      node = pair.value;
      found = { keyOffset, valueOffset: (pair.value as Node | null)?.range?.[0] ?? keyOffset };
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      if (node === undefined) return undefined;
      const offset = (node as Node).range?.[0];
      found = { keyOffset: offset, valueOffset: offset };
    } else return undefined;
  }
  return found;
}
