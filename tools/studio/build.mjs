/** @file The studio's page, built: one script, one style sheet, and the document that names them. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const SOURCE = 'src/studio';

/** Builds the page into a folder. */
export async function buildStudio(folder) {
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: [
      { in: join(SOURCE, 'main.tsx'), out: 'app' },
      { in: join(SOURCE, 'style/app.css'), out: 'app' },
    ],
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'chrome111', 'firefox115', 'safari16.4'],
    tsconfig: join(SOURCE, 'tsconfig.json'),
    legalComments: 'eof',
    logLevel: 'warning',
  });
  await copyFile(join(SOURCE, 'index.html'), join(folder, 'index.html'));
}
