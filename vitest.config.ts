import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;

/**
 * Tests import `src/...js` and run what ships: the compiled file under dist/. So worker threads, which cannot load
 * TypeScript, start from the same files in a test as in production.
 */
const runCompiledSources = {
  name: 'run-compiled-sources',
  enforce: 'pre' as const,
  resolveId(source: string, importer: string | undefined) {
    if (!importer || !source.startsWith('.')) return null;
    const path = resolve(dirname(importer), source);
    if (!path.startsWith(`${root}/src/`)) return null;
    const compiled = path.replace(`${root}/src/`, `${root}/dist/`);
    return existsSync(compiled) ? { id: compiled, external: true } : null;
  },
};

export default defineConfig({
  plugins: [runCompiledSources],
  test: {
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: ['test/kafka/**'] } },
      {
        extends: true,
        test: {
          name: 'kafka',
          include: ['test/kafka/**/*.test.ts'],
          globalSetup: 'test/kafka/global-setup.ts',
        },
      },
    ],
  },
});
