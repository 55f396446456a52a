/** @file Rounds that close by time over a real cluster, with a trainer that dies between that and its checkpoint. */

import { describe, expect, it } from 'vitest';
import { SKIP_REASON } from './cluster.js';
import { partedRun } from './parted-run.js';

const GROUPS = [0, 1, 2, 3];
/** Three lives of a trainer, and the ten seconds for which the seat of one that was killed is held. */
const PATIENCE_MS = 600_000;

describe.skipIf(SKIP_REASON !== null)('rounds that close by time over Kafka', () => {
  it(
    'should account for every group once, through kills between the close of a round and its checkpoint',
    async () => {
      const run = await partedRun([
        'stages.prompts.numRounds=4',
        'stages.advantages.closeAfterMs=3000',
        'checkpoints.everyRounds=2',
      ]);
      const first = run.startTrainer();
      const others = run.startOthers();
      await run.sampled(0);
      await run.reward(0, [0, 1]);
      await run.closedByTime(0);
      await first.kill();

      // Too late for the life that was, and in time for the next one.
      await run.reward(0, [2]);
      const second = run.startTrainer();
      await run.trained(0);
      // Too late for good.
      await run.reward(0, [3]);
      await run.reward(1, GROUPS);
      await run.saved(2);
      await run.sampled(2);
      await run.reward(2, [0, 1]);
      await run.trained(2);
      await second.kill();

      await run.reward(2, [2]);
      const third = run.startTrainer();
      await run.reward(3, GROUPS);
      for (const part of [third, others]) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

      const rounds = await run.rounds();
      expect(rounds.map(({ round }) => round)).toEqual([0, 1, 2, 3]);
      for (const { groups, lostGroups, lateGroups, deadLetters, selectedSamples } of rounds) {
        expect(groups + lateGroups).toBe(GROUPS.length);
        expect([groups > 0, lostGroups, deadLetters]).toEqual([true, 0, 0]);
        // Twice trained is twice as many.
        expect(selectedSamples).toBe(2 * groups);
      }
      for (const round of [rounds[0], rounds[2]]) expect(round?.lateGroups).toBeGreaterThan(0);
      const versions = (await run.policies()).map(({ version }) => version);
      // Whether version 3 was published before the second kill is left to chance.
      expect([versions.slice(0, 4), versions.slice(-3)]).toEqual([
        [0, 0, 1, 2],
        [2, 3, 4],
      ]);
    },
    PATIENCE_MS,
  );
});
