/**
 * @file Compiles src/ into dist/ for the tests, without checking types: `npm run compile`. What starts as a process or a
 * thread is one file with all that it needs, as a tiny run would else spend half its time on opening hundreds of small
 * ones. `npm run build` makes what is published.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { STARTED } from '../tools/started-files.mjs';
import { buildStudio } from '../tools/studio/build.mjs';

const COMMON = { format: 'esm', platform: 'node', target: 'es2022', outdir: 'dist', outbase: 'src' };

/** Packages of many small files, which go into the same file. The others keep their own. */
const INCLUDED = /^(zod|@bufbuild\/protobuf|rxjs|fast-png|iobuffer|fflate)(\/|$)/;

/** Keeps `import.meta.url` what it is in the module's own file, wherever the module has gone. */
const inOneFile = (entry) => ({
  name: 'in-one-file',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^.]/ }, ({ path, kind }) =>
      kind === 'entry-point' || INCLUDED.test(path) ? undefined : { path, external: true },
    );
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const place = `./${relative(dirname(entry), relative('.', path)).replace(/\.ts$/, '.js')}`;
      const url = `new URL(${JSON.stringify(place)}, import.meta.url).href`;
      return { contents: source.replaceAll('import.meta.url', url), loader: 'ts' };
    });
  },
});

const sources = (await readdir('src', { recursive: true }))
  .filter((name) => name.endsWith('.ts') && !name.startsWith('studio'))
  .map((name) => join('src', name));
await build({ ...COMMON, entryPoints: sources, sourcemap: true });
await buildStudio('dist/studio');
await Promise.all(
  STARTED.map((entry) =>
    build({
      ...COMMON,
      entryPoints: [entry],
      bundle: true,
      minifyWhitespace: true,
      plugins: [inOneFile(entry)],
    }),
  ),
);
