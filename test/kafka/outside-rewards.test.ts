/** @file A run that people reward, and one that a reward worker helps. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SKIP_REASON } from './cluster.js';
import { partedRun } from './parted-run.js';

describe.skipIf(SKIP_REASON !== null)('external rewards', () => {
  it('should be counted as such, and have a chart of their own', async () => {
    const run = await partedRun(['stages.prompts.numRounds=2']);
    const parts = [run.startTrainer(), run.startOthers()];
    await run.sampled(0);
    await run.reward(0, [0, 1, 2, 3], 'people');
    await run.sampled(1);
    await run.reward(1, [0, 1], 'worker');
    await run.reward(1, [2, 3], 'people');
    for (const part of parts) expect(await part.ended).toMatchObject({ code: 0, faults: [] });
    const rounds = await run.rounds();
    expect(rounds.map(({ rewardQueries, outsideRewards }) => [rewardQueries, outsideRewards])).toEqual([
      [0, 12],
      [6, 6],
    ]);
    const report = await readFile(join(run.path, 'report.html'), 'utf8');
    expect(report).toContain('6 reward queries and 18 external rewards in 2 rounds');
    expect(report).toContain('<h3>External rewards</h3>');
  }, 240_000);
});
