import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].filter((page) => existsSync(page));

/** Files of this repository in code style, such as `src/errors.ts`; a placeholder in angle brackets is none. */
const FILE_IN_CODE = /`((?:src|test|config|docs|examples|tools|bench|models)\/[\w./-]+\.\w+)`/g;
const LINK = /\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g;

describe('documentation', () => {
  it.each(PAGES)('should name only files that are there: %s', (page) => {
    const text = readFileSync(page, 'utf8');
    const named = Array.from(text.matchAll(FILE_IN_CODE), ([, path = '']) => path);
    const linked = Array.from(text.matchAll(LINK), ([, path = '']) => join(dirname(page), path));
    expect([...named, ...linked].filter((path) => !existsSync(path))).toEqual([]);
  });

  it.each(PAGES)('should keep its prose within 120 columns: %s', (page) => {
    const lines = readFileSync(page, 'utf8').split('\n');
    expect(lines.filter((line) => line.length > 120 && !line.startsWith('|'))).toEqual([]);
  });
});
