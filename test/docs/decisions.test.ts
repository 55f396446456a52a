import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const FOLDER = 'docs/decisions';
const pages = readdirSync(FOLDER).map((name) => join(FOLDER, name));
const text = (path: string) => readFileSync(path, 'utf8');
const entries = pages.flatMap((path) =>
  text(path)
    .split(/^### /m)
    .slice(1)
    .map((entry) => ({ path, number: Number.parseInt(entry, 10), lines: entry.trim().split('\n').slice(2) })),
);

describe('docs/decisions', () => {
  it('should give a number once, and name the next free one', () => {
    const numbers = entries.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(text(join(FOLDER, 'README.md'))).toContain(`the next free one, ${Math.max(...numbers) + 1},`);
  });

  it('should say each decision in at most five lines', () => {
    const long = entries.filter(({ lines }) => lines.length === 0 || lines.length > 5);
    expect(long.map(({ path, number }) => `${path} ${number}`)).toEqual([]);
  });

  it('should list every page', () => {
    const index = text(join(FOLDER, 'README.md'));
    expect(
      pages.map((path) => `(${path.slice(FOLDER.length + 1)})`).filter((link) => !index.includes(link)),
    ).toEqual(['(README.md)']);
  });
});
