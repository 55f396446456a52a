/** @file A trainer that goes on from an older checkpoint than the topics are at. */

import { describe, expect, it } from 'vitest';
import type { PolicySnapshot } from '../../src/streams/messages/messages.js';
import { casesOf } from '../fixtures/test-all.js';
import { adapterOf } from '../fixtures/tiny-run.js';
import { SKIP_REASON } from './cluster.js';
import { damageCheckpoint, type PartedRun, partedRun } from './parted-run.js';

const NUM_ROUNDS = 5;
const GROUPS = [0, 1, 2, 3];
/** Two runs, and the ten seconds for which the seat of a trainer that was killed is held. */
const PATIENCE_MS = 600_000;
const OVERRIDES = [`stages.prompts.numRounds=${NUM_ROUNDS}`];

const versions = (policies: readonly PolicySnapshot[]) => policies.map(({ version }) => version);
const textOf = ({ parameters }: PolicySnapshot) =>
  JSON.stringify(
    Object.keys(parameters)
      .sort()
      .map((name) => [name, ...(parameters[name] ?? [])]),
  );

async function finish(run: PartedRun, parts: readonly { readonly ended: Promise<unknown> }[]) {
  for (const part of parts) expect(await part.ended).toMatchObject({ code: 0, faults: [] });
  return { adapter: (await adapterOf(run.path)).toString('base64'), rounds: await run.rounds() };
}

async function finishUndisturbed() {
  const run = await partedRun(OVERRIDES);
  const parts = [run.startTrainer(), run.startOthers()];
  for (let round = 0; round < NUM_ROUNDS; round++) {
    await run.reward(round, GROUPS);
    await run.trained(round);
  }
  return finish(run, parts);
}

let undisturbed: ReturnType<typeof finishUndisturbed> | undefined;

describe.skipIf(SKIP_REASON !== null)('a run over Kafka that goes back to an older checkpoint', () => {
  it.each(
    casesOf<[about: string, saves: string, damaged: number[], from: number]>(
      [
        ['the two newest are damaged', 'checkpoints.everyRounds=1', [4, 3], 2],
        ['it is killed before its first checkpoint', 'checkpoints.everyRounds=5', [], 0],
      ],
      [
        ['the newest is damaged', 'checkpoints.everyRounds=1', [4], 3],
        ['it is saved every second round', 'checkpoints.everyRounds=2', [4], 2],
      ],
    ),
  )(
    'should train every group once more, to the last byte alike, where %s',
    async (_, saves, damaged, from) => {
      undisturbed ??= finishUndisturbed();
      const wanted = await undisturbed;
      const run = await partedRun([...OVERRIDES, saves]);
      const first = run.startTrainer();
      const others = run.startOthers();
      for (const round of [0, 1, 2, 3]) {
        await run.reward(round, GROUPS);
        await run.trained(round);
      }
      if (damaged.length > 0) await run.saved(4);
      await first.kill();
      for (const completeRounds of damaged) await damageCheckpoint(run.path, completeRounds);
      const second = run.startTrainer();
      await run.reward(4, GROUPS);
      expect(await finish(run, [second, others])).toEqual(wanted);

      const policies = await run.policies();
      expect(versions(policies).slice(-(NUM_ROUNDS - from) - 1)).toEqual(
        Array.from({ length: NUM_ROUNDS - from + 1 }, (_, index) => from + index),
      );
      expect(new Set(policies.map((policy) => `${policy.version} ${textOf(policy)}`)).size).toBe(
        NUM_ROUNDS + 1,
      );
    },
    PATIENCE_MS,
  );
});
