/** @file Rounds that close by time over a real cluster, with a trainer that dies between that and its checkpoint. */

import { describe, expect, it } from 'vitest';
import { casesOf } from '../fixtures/test-all.js';
import { SKIP_REASON } from './cluster.js';
import { partedRun } from './parted-run.js';

const GROUPS = [0, 1, 2, 3];
/** Lives of a trainer, and the ten seconds for which the seat of one that was killed is held. */
const PATIENCE_MS = 600_000;

describe.skipIf(SKIP_REASON !== null)('rounds that close by time over Kafka', () => {
  it.each(
    casesOf<[about: string, isKilledAtOnce: boolean]>(
      [['a kill', false]],
      [['two kills, one of them before there is a checkpoint', true]],
    ),
  )(
    'should account for every group once, through %s between the close of a round and its checkpoint',
    async (_, isKilledAtOnce) => {
      const run = await partedRun([
        'stages.prompts.numRounds=4',
        'stages.advantages.closeAfterMs=2000',
        'checkpoints.everyRounds=2',
      ]);
      let trainer = run.start('trainer');
      const others = run.start('prompts,sampler');
      await run.sampled(0);
      await run.reward(0, [0, 1]);
      await run.closedByTime(0);
      if (isKilledAtOnce) {
        await trainer.kill();
        // Too late for the life that was, and in time for the next one.
        await run.reward(0, [2]);
        trainer = run.start('trainer');
        // The life that was may have trained and logged the round as well.
        await trainer.says('round trained');
      }
      await run.trained(0);
      // Too late for good.
      await run.reward(0, isKilledAtOnce ? [3] : [2, 3]);
      await run.reward(1, GROUPS);
      await run.saved(2);
      await run.sampled(2);
      await run.reward(2, [0, 1]);
      await run.trained(2);
      await trainer.kill();

      await run.reward(2, [2]);
      const last = run.start('trainer');
      await run.reward(3, GROUPS);
      for (const part of [last, others]) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

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
      // Whether version 3 was published before the last kill is left to chance.
      const first = isKilledAtOnce ? [0, 0, 1, 2] : [0, 1, 2];
      expect([versions.slice(0, first.length), versions.slice(-3)]).toEqual([first, [2, 3, 4]]);
    },
    PATIENCE_MS,
  );
});
