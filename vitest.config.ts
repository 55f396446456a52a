import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { SlowFirst } from './test/fixtures/slow-first.js';

const root = import.meta.dirname;

/** What Node itself imports, as in production: vitest would transform it in every worker, and run it more slowly. */
const COMPILED = new RegExp(`^${root.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}/dist/`);

/**
 * Tests import `src/...js` and run the compiled file under dist/ (test/compile.mjs). So worker threads, which cannot load
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

/**
 * One more than two cores have to do, as some tests wait. As many at the least as at the most: vitest 3 may end an idle
 * worker that it has just given a file.
 */
const WORKERS = Number(/--maxWorkers=(\d+)/.exec(process.argv.join(' '))?.[1] ?? 3);
const SHARED_FOLDER = 'test/fixtures/shared-folder.ts';
const KAFKA_WORKERS = { minThreads: 3, maxThreads: 3 };

/**
 * Workers keep their modules from file to file: no test changes what another one sees. Those against Kafka wait
 * more than they compute, and run beside the others in a pool of their own. KAFKA_TESTS and KAFKA_BROKERS are read by
 * test/kafka/global-setup.ts. TEST_ALL=1 adds the cases that `npm test` leaves out.
 */
export default defineConfig({
  plugins: [runCompiledSources],
  test: {
    pool: 'forks',
    server: { deps: { external: [COMPILED] } },
    poolOptions: { forks: { isolate: false }, threads: { isolate: false, ...KAFKA_WORKERS } },
    setupFiles: ['test/fixtures/equal-bytes.ts', 'test/fixtures/let-answers-in.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    minWorkers: WORKERS,
    maxWorkers: WORKERS,
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: ['test/kafka/**'],
          globalSetup: SHARED_FOLDER,
        },
      },
      {
        extends: true,
        test: {
          name: 'kafka',
          pool: 'threads',
          include: ['test/kafka/**/*.test.ts'],
          globalSetup: [SHARED_FOLDER, 'test/kafka/global-setup.ts'],
        },
      },
    ],
  },
});
