/** @file The types of the package: the declarations that its public entries lead to. */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const IMPORT = /(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g;

/** Copies the declarations of the entries, and those that they import, into a folder. */
export async function declare(dist, entries, scratch) {
  const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
  const flags = ['--emitDeclarationOnly', '--sourceMap', 'false', '--outDir', scratch];
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...flags], { stdio: 'inherit' });
  const found = new Set(entries.map((entry) => entry.replace(/^src\//, '').replace(/\.ts$/, '')));
  for (const module of found) {
    const text = await readFile(join(scratch, `${module}.d.ts`), 'utf8');
    for (const [, imported] of text.matchAll(IMPORT)) found.add(join(dirname(module), imported));
    await mkdir(dirname(join(dist, module)), { recursive: true });
    await copyFile(join(scratch, `${module}.d.ts`), join(dist, `${module}.d.ts`));
  }
}
