import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { MetricsLine } from '../../../src/streams/directory/metrics-line.js';
import { type PlannedRun, planRuns } from '../../../src/streams/study/config/study.js';
import { findRun } from '../../../src/streams/study/find-run.js';
import { figuresOfRun } from '../../../src/streams/study/results/run-result.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { evaluation, roundMetrics } from '../example-metrics.js';
import { exampleStudy } from './example-study.js';

const time = '2026-11-21T10:00:00Z';
const measured = (round: number, alignment: number): MetricsLine => ({
  kind: 'evaluation',
  time,
  ...evaluation(round, { heldOut: { verifiedAlignment: alignment } }),
});
const trained = (round: number, changes: object = {}): MetricsLine => ({
  kind: 'round',
  time,
  ...roundMetrics(round, changes),
});
const WHOLE = [
  measured(0, 0.3),
  trained(0),
  measured(1, 0.4),
  trained(1, { klToPretrained: 0.02 }),
  measured(2, 0.5),
];

describe('figuresOfRun', () => {
  test('should give an evaluation the queries and seconds of the round before it', () => {
    const figures = figuresOfRun(WHOLE, 2);
    expect(figures?.points.map((one) => [one.round, one.rewardQueries, one.elapsedSeconds])).toEqual([
      [0, 0, 0],
      [1, 128, 10],
      [2, 256, 20],
    ]);
    expect(figures?.points[2]?.heldOut).toEqual({
      prompts: 32,
      images: 256,
      verifiedAlignment: 0.5,
      rewardMean: 0.3,
      diversity: 0.5,
    });
    expect(figures?.rounds.map((one) => one.klToPretrained)).toEqual([null, 0.02]);
  });

  test('should take the later of two evaluations of one policy', () => {
    const twice = [...WHOLE.slice(0, 3), measured(1, 0.45), ...WHOLE.slice(3)];
    expect(figuresOfRun(twice, 2)?.points.map(({ heldOut }) => heldOut.verifiedAlignment)).toEqual([
      0.3, 0.45, 0.5,
    ]);
  });

  test('should be nothing before the last policy was evaluated', () => {
    expect(WHOLE.map((_, index) => figuresOfRun(WHOLE.slice(0, index), 2))).toEqual(Array(5).fill(null));
  });
});

describe('findRun', () => {
  async function planned(lines: readonly MetricsLine[] | null, changes: object = {}): Promise<PlannedRun> {
    const [run] = planRuns(exampleStudy());
    if (!run) throw new Error('the example has a run');
    const runPath = join(await temporaryFolder(), 'seed-1');
    if (lines) {
      await mkdir(runPath);
      const config = { ...run.row.config, seed: 1, ...changes };
      await writeFile(join(runPath, 'config.yaml'), stringify(config));
      await writeFile(
        join(runPath, 'metrics.jsonl'),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
    }
    return { ...run, runPath };
  }

  test('should tell a run that is not there, begun and complete', async () => {
    expect(await findRun(await planned(null))).toEqual({ state: 'absent' });
    expect(await findRun(await planned(WHOLE.slice(0, 4)))).toEqual({ state: 'begun', completeRounds: 2 });
    expect(await findRun(await planned(WHOLE))).toMatchObject({ state: 'complete' });
  });

  test('should not take a run of another config or seed', async () => {
    const run = await planned(WHOLE, { seed: 5 });
    expect(await findRun(run)).toEqual({
      state: 'other',
      failure: `run directory ${run.runPath} seed: expected 1 as in row "plain", got 5. Move the directory away, or restore the row.`,
    });
  });

  test('should leave a run of version 1 whose config is damaged, and look at the others', async () => {
    const run = await planned(WHOLE);
    await writeFile(join(run.runPath, 'config.yaml'), '');
    await writeFile(join(run.runPath, 'metrics.jsonl'), '{"kind":"stage","trainingStage":0}\n');
    expect(await findRun(run)).toEqual({
      state: 'other',
      failure: expect.stringContaining('expected version 2'),
    });
  });

  test('should take a run that is older than a setting', async () => {
    const run = await planned(WHOLE);
    const path = join(run.runPath, 'config.yaml');
    const saved = await readFile(path, 'utf8');
    expect(saved).toContain('remainder: train');
    await writeFile(path, saved.replace(/ *remainder: train\n/, ''));
    expect(await findRun(run)).toMatchObject({ state: 'complete' });
  });

  test('should take a run that was saved more often, carried otherwise, or run by another engine', async () => {
    const run = await planned(WHOLE, {
      checkpoints: { everyRounds: 7, keep: 1 },
      transport: { kind: 'in-process', capacity: 999, maxAttempts: 1 },
      engine: { providers: ['cpu'], threads: 7 },
    });
    expect(await findRun(run)).toMatchObject({ state: 'complete' });
  });
});
