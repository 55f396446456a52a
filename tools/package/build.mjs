/**
 * @file Writes what is published into `package/`, and the aesthetic head, whose weights are larger than all the rest, into
 * `package-aesthetic/`: `npm run package`. Then `npm pack ./package` or `npm publish ./package`.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildStudio } from '../studio/build.mjs';
import { bundle } from './bundle.mjs';
import { declare } from './declarations.mjs';
import { writeDocuments } from './documents.mjs';

const FOLDER = 'package';
const HEAD = 'package-aesthetic';

const own = JSON.parse(await readFile('package.json', 'utf8'));
const entries = Object.values(own.exports)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => entry.default.replace('./dist', 'src').replace(/\.js$/, '.ts'));

await Promise.all([FOLDER, HEAD].map((folder) => rm(folder, { recursive: true, force: true })));
await mkdir(join(FOLDER, 'dist'), { recursive: true });
await writeDocuments(FOLDER);
await bundle(join(FOLDER, 'dist'), entries);
await buildStudio(join(FOLDER, 'dist', 'studio'));
await declare(join(FOLDER, 'dist'), entries, join('.cache', 'declarations'));

const { private: _, scripts, devDependencies, ...manifest } = own;
await writeFile(join(FOLDER, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

await cp('models/aesthetic', HEAD, { recursive: true });
await cp('LICENSE', join(HEAD, 'LICENSE'));
const head = {
  name: `${own.name}-aesthetic`,
  version: own.version,
  description: "LAION's aesthetic head, for the reward `aesthetic` of tributary-rl.",
  license: own.license,
  type: 'module',
  exports: './linear-mse.safetensors',
};
await writeFile(join(HEAD, 'package.json'), `${JSON.stringify(head, null, 2)}\n`);
