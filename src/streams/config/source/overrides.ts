import {
  createFault,
  describeValue,
  type Fault,
  type FaultDetail,
  type Path,
  type Place,
  writePath,
} from './fault.js';
import { parseYaml } from './parse-yaml.js';
import { isMapping, valueAt, withValueAt } from './value-tree.js';

/** One `--set a.b=c` of the command line. */
export interface Override {
  readonly path: Path;
  readonly value: unknown;
  readonly place: Place;
}

/** Overrides stand after all files. */
const ORDER = 2 ** 40;
/** No setting is nested this deep. */
const MOST_PARTS = 32;
/** Characters of an override that a fault quotes. */
const QUOTED = 200;

/**
 * Lays `--set` texts over a config, in their order. `a.b[2]=c` and `a.b.2=c` name the third entry of a list that is
 * there; the value is read as YAML, so `[cpu]` is a list and `"7"` is text. The schema validates the
 * result, and its faults name the override as their place.
 *
 * @param texts What followed each `--set`.
 * @returns The new config, the overrides that were applied, and a fault for each that cannot be.
 */
export function applyOverrides(
  config: unknown,
  texts: readonly string[],
): { readonly value: unknown; readonly overrides: readonly Override[]; readonly faults: readonly Fault[] } {
  let value = config;
  const overrides: Override[] = [];
  const faults: Fault[] = [];
  for (const [index, text] of texts.entries()) {
    const place: Place = { label: `--set ${shortened(text)}`, order: ORDER + index };
    const parsed = parseOverride(text);
    const problem = 'problem' in parsed ? parsed.problem : pathProblem(value, parsed.path);
    if (problem) faults.push(createFault(place, { kind: 'override', path: [], ...problem }));
    if (problem || 'problem' in parsed) continue;
    value = withValueAt(value, parsed.path, parsed.value);
    overrides.push({ ...parsed, place });
  }
  return { value, overrides, faults };
}

/** The path that a key of an override names: `a.b[2]` or `a.b.2`. */
export const pathOfKey = (key: string): string[] => key.replaceAll(/\[(\d+)\]/g, '.$1').split('.');

type Problem = Pick<FaultDetail, 'thing' | 'expected' | 'got' | 'nextStep'>;

function parseOverride(text: string): { path: Path; value: unknown } | { problem: Problem } {
  const equals = text.indexOf('=');
  const key = text.slice(0, Math.max(equals, 0));
  // A path of thousands of parts is not even split.
  const isLong = key.length > 100 * MOST_PARTS;
  const path = isLong ? [] : pathOfKey(key);
  const isDeep = isLong || path.length > MOST_PARTS;
  if (isDeep || path.some((part) => part === '' || part === '__proto__')) {
    return {
      problem: {
        thing: 'path',
        expected: isDeep ? `at most ${MOST_PARTS} keys` : '`key.key=value`',
        got: isDeep ? `a path of ${key.length} characters` : JSON.stringify(shortened(text)),
        nextStep: 'Name the value by its keys, joined by dots.',
      },
    };
  }
  const { value, problems } = parseYaml(text.slice(equals + 1), { uniqueKeys: true });
  const [first] = problems;
  if (!first) return { path, value };
  return { problem: { thing: 'value', expected: 'YAML', got: first.problem, nextStep: 'Quote the value.' } };
}

const shortened = (text: string) => (text.length > QUOTED ? `${text.slice(0, QUOTED - 3)}...` : text);

/** A path may lead through mappings, existing list entries, or places where nothing is yet. */
function pathProblem(config: unknown, path: Path): Problem | undefined {
  for (const [depth, part] of path.entries()) {
    const above = path.slice(0, depth);
    const container = valueAt(config, above);
    if (container === undefined || container === null || isMapping(container)) continue;
    const isEntry = Array.isArray(container) && valueAt(container, [part]) !== undefined;
    if (isEntry) continue;
    return {
      thing: writePath(above),
      expected: Array.isArray(container) ? 'an entry of the list' : 'a mapping',
      got: Array.isArray(container) ? `"${part}" in ${describeValue(container)}` : describeValue(container),
      nextStep: `Set \`${writePath(above)}\` as a whole.`,
    };
  }
  return undefined;
}
