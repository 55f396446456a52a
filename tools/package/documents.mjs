/** @file What the package holds beside its program. Pages name some files of the repository: neither links nor paths there. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What is copied as it is. */
const FILES = [
  'LICENSE',
  'config',
  'deploy',
  'models/shapes',
  'models/clip',
  'docs/images',
  'docs/examples',
  'examples',
  'src/streams/transport/wire/tributary.proto',
];
/** What belongs to the repository's own checks, and pictures that the README does not show. */
const NOT_COPIED = /tsconfig\.json$|-phone\.png$|studio-(rate|watch|compare)\.png$/;
/** Pages for those who work on the program, or about what only the repository holds. */
const NOT_PACKED = /^docs\/(decisions\/|studies\/|testing|where-is|results|evidence)/;

const PICTURE = /!\[[^\]]*\]\((?!https?:)([^)\s]+)\)\n{0,2}/g;
const LINK = /\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)/g;
const PATH = /`((?:src|test|config|docs|examples|tools|bench|models|findings)\/[\w./-]+\.\w+)`/g;
const NOTE = '\nPaths in italics are of the repository, and not in this package.\n';

/** Writes presets, the model that ships, and all pages into a folder. */
export async function writeDocuments(folder) {
  const names = await readdir('docs', { recursive: true });
  const docs = names.map((name) => join('docs', name)).filter((name) => !NOT_PACKED.test(name));
  const schemas = docs.filter((name) => name.endsWith('.schema.json'));
  for (const file of [...FILES, ...schemas])
    await cp(file, join(folder, file), {
      recursive: true,
      filter: (path) => !NOT_COPIED.test(path),
    });
  const pages = ['README.md', 'models/shapes/README.md', ...docs.filter((name) => name.endsWith('.md'))];
  for (const page of pages) await writePage(folder, page, pages);
}

async function writePage(folder, page, pages) {
  const isThere = (path) => pages.includes(path) || existsSync(join(folder, path));
  const text = await readFile(page, 'utf8');
  const shown = text.replace(PICTURE, (picture, path) => (isThere(join(dirname(page), path)) ? picture : ''));
  const linked = shown.replace(LINK, (link, words, path) =>
    isThere(join(dirname(page), path)) ? link : words,
  );
  const written = linked.replace(PATH, (code, path) => (isThere(path) ? code : `*${path}*`));
  await mkdir(dirname(join(folder, page)), { recursive: true });
  await writeFile(join(folder, page), written === linked ? linked : written.replace(/\n/, `\n${NOTE}`));
}
