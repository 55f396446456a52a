/** @file Samplers that are ahead of the trainer, in one process. */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, isRound, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

describe('a run that samples ahead', () => {
  const AHEAD = ['stages.prompts.runAhead=8', 'stages.trainer.maxStaleness=1', 'stages.prompts.numRounds=4'];

  it('should lose nothing and train on nothing twice', async () => {
    const own = await temporaryFolder();
    const constant = 'stages.schedule={type: schedule, mode: constant, steps: 2}';
    const ahead = await tinyConfig(own, { overrides: [...AHEAD, constant] });
    const run = await runTiny({ config: ahead, path: join(own, 'run') });
    expect(run.error).toBeUndefined();
    expect(run.warnings).toEqual([]);
    const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
    expect(rounds.map(({ round }) => round)).toEqual([0, 1, 2, 3]);
    for (const metrics of rounds)
      expect(metrics).toMatchObject({ groups: 4, lostGroups: 0, selectedSamples: 8, optimizerSteps: 3 });
    expect(rounds.at(-1)?.rewardQueries).toBe(4 * 12);
    expect(eventsOf(run, 'progress')).toHaveLength(4 * 4);
    expect(eventsOf(run, 'finished')).toHaveLength(1);
    // Groups of round 1 were sampled before round 0 was trained on.
    const firstTrained = run.events.findIndex(({ kind }) => kind === 'round');
    expect(run.events.slice(0, firstTrained).some(isRound(1))).toBe(true);
  });

  it('should drop and count the groups that were sampled for an interval that is over', async () => {
    const own = await temporaryFolder();
    const ahead = await tinyConfig(own, { overrides: AHEAD });
    const run = await runTiny({ config: ahead, path: join(own, 'run') });
    expect(run.error).toBeUndefined();
    const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
    expect(rounds.map(({ groups, lostGroups }) => groups + lostGroups)).toEqual([4, 4, 4, 4]);
    const lost = rounds.reduce((sum, { lostGroups }) => sum + lostGroups, 0);
    expect(lost).toBeGreaterThan(0);
    expect(run.warnings).toHaveLength(lost);
    for (const warning of run.warnings) expect(warning).toMatch(/^group 2-\d is not trained on \(/);
    expect(eventsOf(run, 'finished')).toHaveLength(1);
  });
});
