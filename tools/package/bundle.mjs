/** @file The compiled program of the package: every process, thread and public entry, with what they share beside them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { STARTED } from '../started-files.mjs';

/** Stands for the URL of dist/ until a module has its place there. */
const DIST = '__DIST__';

/** Keeps `import.meta.url` what it is in the module's own file, wherever the module goes. */
const inOwnPlace = {
  name: 'in-own-place',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const place = relative('src', path).replace(/\.ts$/, '.js');
      const url = `new URL(${JSON.stringify(place)}, ${DIST}).href`;
      return { contents: source.replaceAll('import.meta.url', url), loader: 'ts' };
    });
  },
};

/** Bundles the program into a folder. Packages stay apart: programs that use this one share RxJS with it. */
export async function bundle(dist, entries) {
  const { outputFiles } = await build({
    entryPoints: [...STARTED, ...entries],
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    bundle: true,
    splitting: true,
    packages: 'external',
    minifyWhitespace: true,
    minifySyntax: true,
    // Node prints the line that an error came from.
    lineLimit: 160,
    write: false,
    outdir: dist,
    outbase: 'src',
    chunkNames: 'chunks/[hash]',
    plugins: [inOwnPlace],
  });
  for (const { path, text } of outputFiles) {
    const up = `new URL(${JSON.stringify(relative(dirname(path), dist) || '.')}+"/",import.meta.url)`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text.replaceAll(DIST, up), {
      mode: path.endsWith(join('cli', 'main.js')) ? 0o755 : 0o644,
    });
  }
}
