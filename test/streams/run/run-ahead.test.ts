/** @file Samplers that are ahead of the trainer, in one process. */

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, isRound, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

it('should train on every group once, and drop and count those sampled for an interval that is over', async () => {
  const own = await temporaryFolder();
  const ahead = await tinyConfig(own, {
    overrides: ['stages.prompts.runAhead=8', 'stages.trainer.maxStaleness=1', 'stages.prompts.numRounds=4'],
  });
  const run = await runTiny({ config: ahead, path: join(own, 'run') });
  expect(run.error).toBeUndefined();
  const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
  expect(rounds.map(({ round }) => round)).toEqual([0, 1, 2, 3]);
  // Groups of round 1 were sampled before round 0 was trained on.
  const firstTrained = run.events.findIndex(({ kind }) => kind === 'round');
  expect(run.events.slice(0, firstTrained).some(isRound(1))).toBe(true);
  expect(eventsOf(run, 'finished')).toHaveLength(1);

  // The interval changes between rounds 1 and 2, and stays after that.
  expect([0, 1, 3].map((round) => rounds[round]?.firstStep)).toEqual([2, 2, 1]);
  for (const round of [0, 1, 3]) {
    expect(rounds[round]).toMatchObject({
      groups: 4,
      lostGroups: 0,
      selectedSamples: 8,
      optimizerSteps: 3,
    });
    expect(eventsOf(run, 'progress').filter(isRound(round))).toHaveLength(4);
  }
  expect(rounds[1]?.rewardQueries).toBe(2 * 12);
  const { groups = 0, lostGroups = 0, selectedSamples } = rounds[2] ?? {};
  expect(lostGroups).toBeGreaterThan(0);
  expect([groups + lostGroups, selectedSamples]).toEqual([4, 2 * groups]);
  expect(run.warnings).toHaveLength(lostGroups);
  for (const warning of run.warnings) expect(warning).toMatch(/^group 2-\d is not trained on \(/);
});
