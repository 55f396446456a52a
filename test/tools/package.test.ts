import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PATH = /`((?:src|test|config|docs|tools|bench|models|findings)\/[\w./-]+\.\w+)`/g;
const LINK = /\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g;
const HEADING = /^#+ (.*)$/gm;

const anchorsOf = (page: string) =>
  Array.from(readFileSync(page, 'utf8').matchAll(HEADING), ([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('the documents of the package', () => {
  let folder: string;
  let pages: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tributary-package-'));
    const { writeDocuments } = await import(pathToFileURL('tools/package/documents.mjs').href);
    await writeDocuments(folder);
    pages = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.md'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('should name and link only what is in the package', () => {
    expect(pages.length).toBeGreaterThan(20);
    const missing = pages.flatMap((page) => {
      const text = readFileSync(join(folder, page), 'utf8');
      const named = Array.from(text.matchAll(PATH), ([, path = '']) => path);
      const linked = Array.from(text.matchAll(LINK), ([, path = '']) => join(dirname(page), path));
      return [...named, ...linked].filter((path) => !existsSync(join(folder, path)));
    });
    expect(missing).toEqual([]);
  });

  it('should link to headings that are there', () => {
    const missing = pages.flatMap((page) => {
      const links = readFileSync(join(folder, page), 'utf8').matchAll(/\]\(([^):\s]*)#([^)\s]+)\)/g);
      return Array.from(links).filter(([, path = '', anchor = '']) => {
        const target = path === '' ? page : join(dirname(page), path);
        return !anchorsOf(join(folder, target)).includes(anchor);
      });
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });

  it('should leave out a picture that it does not hold, with its words', () => {
    const studio = readFileSync(join(folder, 'docs/studio.md'), 'utf8');
    expect(studio).toContain('](images/studio-draw.png)');
    expect(studio).not.toMatch(/studio-rate|A group that waits for a rating/);
  });

  it('should hold no decisions, results and other pages of the repository', () => {
    expect(pages.filter((page) => /decisions|results|testing|CONTRIBUTING/.test(page))).toEqual([]);
  });
});

describe('what the package depends on', () => {
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
  const { engines } = read('package.json');
  const lock: Record<string, { readonly dev?: boolean; readonly engines?: { readonly node?: string } }> =
    read('package-lock.json').packages;
  const least = (range: string) => {
    const [, major = 0, minor = 0] = /(\d+)(?:\.(\d+))?/.exec(range) ?? [];
    return Number(major) * 1000 + Number(minor);
  };

  it('should want no newer Node than the package, of which npm would warn', () => {
    const newer = Object.entries(lock).filter(
      ([, { dev, engines: { node = '*' } = {} }]) =>
        !dev && node.split('||').every((range) => least(range) > least(engines.node)),
    );
    expect(newer.map(([name]) => name)).toEqual([]);
  });
});
