/** @file Run directories of the smallest config, each test with a folder of its own. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { openRunDirectory, type RunDirectoryOptions } from '../../../src/streams/directory/run-directory.js';
import { SMALLEST } from '../config/valid-config.js';
import { evaluation, roundMetrics } from '../example-metrics.js';

/** The smallest config with these overrides. */
export function configWith(...overrides: string[]) {
  const { config, faults } = lintTopology(SMALLEST, 'tiny.yaml', { overrides });
  if (!config) throw new Error(faults.map(({ message }) => message).join('\n'));
  return config;
}

/** Of the test that is under way. */
export const here = { folder: '', path: '', warnings: [] as string[] };

/** Gives each test of the file that calls it a folder. */
export function useFolders(): void {
  beforeEach(async () => {
    here.folder = await mkdtemp(join(tmpdir(), 'run-'));
    here.path = join(here.folder, 'tiny');
    here.warnings = [];
  });
  afterEach(() => rm(here.folder, { recursive: true, force: true }));
}

export const open = (options: Partial<RunDirectoryOptions> = {}) =>
  openRunDirectory({
    config: configWith(),
    path: here.path,
    resume: false,
    warn: (message) => here.warnings.push(message),
    now: () => new Date('2026-11-21T10:00:00Z'),
    ...options,
  });

export const lines = async () =>
  (await readFile(join(here.path, 'metrics.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { kind: string; round: number });

/** A run that was killed after round 2, with checkpoints after each of its rounds. */
export async function killedRun() {
  const run = await open();
  await run.recordEvaluation(evaluation(0));
  for (const round of [0, 1, 2]) {
    await run.recordRound(roundMetrics(round));
    await run.saveCheckpoint(round + 1, {
      'state.json': `{"round":${round}}`,
      'w.bin': Uint8Array.of(round),
    });
  }
}
