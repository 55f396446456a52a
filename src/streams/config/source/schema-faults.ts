import type { z } from 'zod';
import { describeValue, type FaultDetail, type Path, suggest } from './fault.js';
import { valueAt } from './value-tree.js';
import { newWordFor } from './version.js';

export type Issue = z.core.$ZodIssue;

/** Keys of a config are text and list indices. */
export function pathOf(issue: Issue): Path {
  return issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
}

/** Turns an issue of the schema into faults: one, or one for each of several unknown keys. */
export function faultsOfIssue(issue: Issue, config: unknown): FaultDetail[] {
  const path = pathOf(issue);
  const value = valueAt(config, path);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(', ');
    return issue.keys.map((key) => ({
      kind: 'unknown-key',
      path: [...path, key],
      thing: 'the key',
      expected: `one of ${issue.message}`,
      got: `"${key}"`,
      nextStep: newWordFor(key, known) ?? suggest(key, known, 'Remove it.'),
    }));
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message ?? issue.message;
    return [
      {
        kind: 'bad-value',
        path,
        thing: 'the key',
        expected,
        got: describeValue(path.at(-1)),
        nextStep: 'Rename it.',
      },
    ];
  }
  const words = closedList(issue);
  const expected = words ? `one of ${words.join(', ')}` : issue.message;
  if (value === undefined) {
    return [{ kind: 'missing', path, expected, got: 'nothing', nextStep: `Add \`${path.at(-1)}\`.` }];
  }
  const got = describeValue(value);
  if (words && typeof value === 'string') {
    const nextStep =
      newWordFor(`${path.at(-1)}: ${value}`, words) ?? suggest(value, words, 'Choose one of them.');
    return [{ kind: 'unknown-word', path, expected, got, nextStep }];
  }
  return [{ kind: 'bad-value', path, expected, got, nextStep: nextStepFor(path, value, expected) }];
}

/** The allowed words, where the schema has a closed list. */
function closedList(issue: Issue): string[] | undefined {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code !== 'invalid_union' || !('options' in issue)) return undefined;
  // Several variants may share a word, as the rules of one stage type do.
  const words = issue.options as readonly unknown[];
  // An undefined one stands for the default.
  return [...new Set(words.filter((word) => word !== undefined).map(String))];
}

function nextStepFor(path: Path, value: unknown, expected: string): string {
  if (path.length === 0) return 'Start from a preset, `tributary init`.';
  if (value === null) return 'Write a value, or remove the key where it has a default.';
  if (typeof value === 'string' && value.trim() !== '' && /number|integer/.test(expected)) {
    if (Number.isFinite(Number(value))) return 'Remove the quotes.';
  }
  if (typeof value !== 'string' && expected.includes('name')) return 'Put it in quotes.';
  return 'Change the value.';
}
