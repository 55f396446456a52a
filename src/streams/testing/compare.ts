/** @file What came out against what was expected. */
import { isMapping } from '../config/source/value-tree.js';
import type { Fields } from './test-messages.js';

/** A message, the end, or an error, and when. */
export interface Notice {
  /** Milliseconds from the start. */
  readonly at: number;
  readonly kind: 'message' | 'end' | 'error';
  /** Of an error what it says; of an end nothing. */
  readonly fields: Fields;
}

/** Numbers that differ by less, relative to the larger one, are the same: expected ones are worked out by hand. */
const TOLERANCE = 1e-3;

/** Compares notices in order; the lines of a difference, with what both have between them; null where there is none. */
export function differenceOf(expected: readonly Notice[], got: readonly Notice[]): readonly string[] | null {
  const names = new Set(expected.flatMap(({ fields }) => Object.keys(fields)));
  const lines: string[] = [];
  let isSame = true;
  let [left, right] = [0, 0];
  while (left < expected.length || right < got.length) {
    const [want, have] = [expected[left], got[right]];
    if (want && have && isMet(want, have)) {
      lines.push(`    ${lineOf(want)}`);
      left += 1;
      right += 1;
      continue;
    }
    isSame = false;
    // The earlier one first; of both at once, what was expected.
    if (want && (!have || want.at <= have.at)) {
      lines.push(`  - ${lineOf(want)}`);
      left += 1;
      // One that came at its time in another form stands beside it.
      if (have?.at !== want.at || have.kind !== want.kind) continue;
    }
    if (have) {
      lines.push(`  + ${lineOf({ ...have, fields: named(have.fields, names) })}`);
      right += 1;
    }
  }
  return isSame ? null : lines;
}

function isMet(want: Notice, have: Notice): boolean {
  return want.at === have.at && want.kind === have.kind && agrees(want.fields, have.fields);
}

/** Whether a value holds all that another states. */
export function agrees(stated: unknown, value: unknown): boolean {
  if (typeof stated === 'number' && typeof value === 'number')
    return Math.abs(stated - value) <= TOLERANCE * Math.max(Math.abs(stated), Math.abs(value));
  if (Array.isArray(stated))
    return (
      Array.isArray(value) &&
      stated.length === value.length &&
      stated.every((item, index) => agrees(item, value[index]))
    );
  if (isMapping(stated))
    return isMapping(value) && Object.entries(stated).every(([key, inner]) => agrees(inner, value[key]));
  return Object.is(stated, value);
}

/** Why a message is another one than was expected. */
const REASONS = ['reason', 'detail', 'code', 'message'];

/** Of a message that was not expected, what the expected ones name, and reasons; all of it where they name nothing. */
function named(fields: Fields, names: ReadonlySet<string>): Fields {
  if (names.size === 0) return fields;
  const shown = [...new Set([...names, ...REASONS])].filter((name) => Object.hasOwn(fields, name));
  return Object.fromEntries(shown.map((name) => [name, fields[name]]));
}

const WORDS = { end: 'the end', error: 'an error' };

function lineOf({ at, kind, fields }: Notice): string {
  const written = kind === 'end' || Object.keys(fields).length === 0 ? '' : JSON.stringify(fields, briefly);
  return [`${at} ms`, kind === 'message' ? '' : WORDS[kind], written].filter(Boolean).join('  ');
}

function briefly(_: string, value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return { numbers: (value as Float32Array).length };
  return typeof value === 'number' ? Number(value.toPrecision(7)) : value;
}
