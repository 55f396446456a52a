import { closest, distance } from 'fastest-levenshtein';

/** The kinds of fault that a config can have. */
type FaultKind =
  /** The text is not YAML. */
  | 'syntax'
  /** A key stands twice in one mapping. */
  | 'duplicate-key'
  /** A key that no schema knows. */
  | 'unknown-key'
  /** A word outside a closed list: a stage type, a mode, a surrogate. */
  | 'unknown-word'
  /** A required key is not there. */
  | 'missing'
  /** The wrong type, or outside its range. */
  | 'bad-value'
  /** Numbers that must divide each other do not. */
  | 'indivisible'
  /** Two settings that cannot both hold. */
  | 'contradiction'
  /** A topic without writer or reader, or one name for two topics. */
  | 'port'
  /** A `--set` that cannot be applied. */
  | 'override'
  /** The file named by `extends` cannot be used. */
  | 'extends'
  /** The file is written for another version. */
  | 'version';

/** Keys and list indices from the top of a config. */
export type Path = readonly (string | number)[];

/** Where something was written. */
export interface Place {
  /** `config/a.yaml:3:5`, or `--set a.b=c`. */
  readonly label: string;
  /** Faults are reported in this order. */
  readonly order: number;
}

export interface FaultDetail {
  readonly kind: FaultKind;
  readonly path: Path;
  /** What is at fault where it is not the value at `path`: `the key`, `YAML`. */
  readonly thing?: string;
  readonly expected: string;
  readonly got: string;
  /** A sentence with its full stop or question mark. */
  readonly nextStep: string;
}

export interface Fault extends FaultDetail {
  readonly place: Place;
  /** The whole line: `<place> <where>: expected <what>, got <value>. <next step>` */
  readonly message: string;
}

/** Writes a path as `stages.schedule.phases[2]`. */
export function writePath(path: Path): string {
  return path
    .map((part, depth) => (typeof part === 'number' ? `[${part}]` : depth === 0 ? part : `.${part}`))
    .join('');
}

/** Writes the message of a fault. */
export function createFault(place: Place, detail: FaultDetail): Fault {
  const where = [writePath(detail.path), detail.thing].filter(Boolean).join(' ') || 'config';
  const { expected, got, nextStep } = detail;
  return {
    ...detail,
    place,
    message: `${place.label} ${where}: expected ${expected}, got ${got}. ${nextStep}`,
  };
}

/** Writes a value of a config with its type, as it belongs after "got". */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return Object.keys(value).length > 0 ? 'a mapping' : 'an empty mapping';
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`;
  return `${String(value)} (${typeof value})`;
}

/** Returns a next step that names what was probably meant, or another one where no known name is close. */
export function suggest(written: string, known: readonly string[], otherwise: string): string {
  const nearest = nearestName(written, known);
  return nearest === undefined ? otherwise : `Did you mean "${nearest}"?`;
}

/**
 * Returns the name that was probably meant, or nothing when none is close: up to 2 edits, or a third of the length, and
 * something left of what was written.
 */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(written, known);
  const edits = distance(written, nearest);
  return edits < written.length && edits <= Math.max(2, written.length / 3) ? nearest : undefined;
}
