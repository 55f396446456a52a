/** @file A trainer that goes on from an older checkpoint than the topics are at. */

import { filter, firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { PolicySnapshot } from '../../src/streams/messages/messages.js';
import type { RoundMetrics } from '../../src/streams/messages/run-events.js';
import { casesOf } from '../fixtures/test-all.js';
import { adapterOf } from '../fixtures/tiny-run.js';
import { SKIP_REASON } from './cluster.js';
import { damageCheckpoint, partedRun } from './parted-run.js';

const NUM_ROUNDS = 5;
const GROUPS = [0, 1, 2, 3];
/** By what two rounds have shown, of which a checkpoint may lie between. */
const GROWS =
  'stages.schedule={type: schedule, mode: correlation, first: 2, last: 3, threshold: -1, rounds: 2}';
/** Among it the ten seconds for which the seat of a trainer that was killed is held. */
const PATIENCE_MS = 600_000;

/** The trainer is killed once this round is trained and the policy of it is out. */
interface Kill {
  readonly round: number;
  /** Checkpoints that are damaged then. */
  readonly damaged: readonly number[];
  /** Complete rounds of the checkpoint that is left. */
  readonly from: number;
}

type Case = [about: string, saves: string, kills: readonly Kill[]];

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const textOf = ({ version, parameters }: PolicySnapshot) =>
  JSON.stringify([
    version,
    ...Object.keys(parameters)
      .sort()
      .map((name) => [name, ...(parameters[name] ?? [])]),
  ]);

/** What the first of the cases ended with. */
let ended: { readonly adapter: string; readonly rounds: readonly RoundMetrics[] } | undefined;

describe.skipIf(SKIP_REASON !== null)('a run over Kafka that goes back to an older checkpoint', () => {
  it.each(
    casesOf<Case>(
      [
        [
          'it is killed before its first checkpoint, and again with the newest one damaged',
          'checkpoints.everyRounds=2',
          [
            { round: 0, damaged: [], from: 0 },
            { round: 3, damaged: [4], from: 2 },
          ],
        ],
      ],
      [
        [
          'the two newest of a checkpoint a round are damaged',
          'checkpoints.everyRounds=1',
          [{ round: 3, damaged: [4, 3], from: 2 }],
        ],
        ['it is not disturbed at all', 'checkpoints.everyRounds=1', []],
      ],
    ),
  )(
    'should train every group once more, to the last byte alike, where %s',
    async (_, saves, kills) => {
      const run = await partedRun([`stages.prompts.numRounds=${NUM_ROUNDS}`, GROWS, saves]);
      const published = (wanted: number) =>
        firstValueFrom(run.transport.latest('policy').pipe(filter(({ version }) => version === wanted)));
      let trainer = run.start('trainer');
      const others = run.start('prompts,sampler');
      const logged: (readonly RoundMetrics[])[] = [];
      for (let round = 0; round < NUM_ROUNDS; round++) {
        await run.reward(round, GROUPS);
        await run.trained(round);
        const kill = kills.find((one) => one.round === round);
        if (!kill) continue;
        await published(round + 1);
        logged.push(await run.rounds());
        await trainer.kill();
        for (const completeRounds of kill.damaged) await damageCheckpoint(run.path, completeRounds);
        trainer = run.start('trainer');
      }
      for (const part of [trainer, others]) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

      const adapter = (await adapterOf(run.path)).toString('base64');
      const rounds = await run.rounds();
      expect(rounds.map(({ round }) => round)).toEqual(range(0, NUM_ROUNDS - 1));
      expect(rounds.map(({ trainedSteps }) => trainedSteps.length)).toEqual([2, 2, 3, 3, 3]);
      for (const before of logged) expect(rounds.slice(0, before.length)).toEqual(before);
      ended ??= { adapter, rounds };
      expect({ adapter, rounds }).toEqual(ended);

      const policies = await run.policies();
      const starts = [0, ...kills.map(({ from }) => from)];
      const ends = [...kills.map(({ round }) => round + 1), NUM_ROUNDS];
      expect(policies.map(({ version }) => version)).toEqual(
        starts.flatMap((start, life) => range(start, ends[life] ?? NUM_ROUNDS)),
      );
      expect(new Set(policies.map(textOf)).size).toBe(NUM_ROUNDS + 1);
    },
    PATIENCE_MS,
  );
});
