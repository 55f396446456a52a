import { describe, expect, it, vi } from 'vitest';
import type { Trajectory } from '../../../../src/models/rollouts/sampler.js';
import { createHistory } from '../../../../src/operators/index.js';
import type { RunEvent } from '../../../../src/streams/messages/run-events.js';
import { roundTally } from '../../../../src/streams/run/round-tally.js';
import {
  advantagesStage,
  countPassedOver,
} from '../../../../src/streams/stages/advantages/advantages-stage.js';
import { PartialRounds } from '../../../../src/streams/stages/shared/partial-rounds.js';
import { stageBench } from '../stage-bench.js';

const LATENT = 2;
const SMALL = [
  'stages.sampler.numBranches=2',
  'stages.prompts.groupsPerRound=2',
  'stages.prompts.runAhead=2',
  'stages.sampler.groupsPerBatch=1',
  'stages.trainer.updates={from: round, samplesPerUpdate: 2}',
];
const interval = { round: 0, firstStep: 8, numSteps: 10, trainedSteps: [8, 9] };
const branch: Trajectory = {
  firstStep: 8,
  latents: new Float32Array(3 * LATENT),
  logProbs: new Float32Array(2),
};

/** The stage alone, fed with two groups of two branches and rewards that somebody else wrote. */
async function fed(rewards: readonly (readonly number[])[], partialRounds?: PartialRounds) {
  const bench = stageBench(SMALL);
  const { transport } = bench.context;
  const tally = roundTally(100);
  tally.observe(transport).subscribe();
  const [batches, letters, headers] = [
    bench.read('batches'),
    bench.read('dead-letters'),
    bench.readHeaders('dead-letters'),
  ];
  const stage = advantagesStage(
    { ...bench.context, ...(partialRounds && { partialRounds }) },
    createHistory(),
    [[LATENT, 1, 1]],
    () => undefined,
  ).subscribe();
  await transport.publish('schedule', { key: 'run', message: interval });
  for (const [index, values] of rewards.entries()) {
    const groupId = `0-${index}`;
    await transport.publish('rewards', {
      key: groupId,
      message: { groupId, round: 0, rewards: values },
    });
    await transport.publish('trajectories', {
      key: groupId,
      message: {
        groupId,
        groupIndex: index,
        round: 0,
        prompt: 'a',
        interval,
        tree: { firstStep: 8, widths: [1, 2, 2] },
        policyVersion: 0,
        branches: [branch, branch],
      },
    });
  }
  await vi.waitFor(() => expect(batches).toHaveLength(1));
  await vi.waitFor(() => expect(letters).toHaveLength(headers.length));
  stage.unsubscribe();
  const progress = await transport.newest('progress');
  return { progress, batch: batches[0]?.batch, letters, headers, tally: tally.take(0, ['0-1']) };
}

describe('advantagesStage', () => {
  it.each([
    ['vast', [1e200, 0], 'expected a reward from -1e+15 to 1e+15 for branch 0, got 1e+200'],
    ['too few', [1], 'expected 2 rewards, got 1'],
  ])(
    'should make a dead letter of rewards from elsewhere that are %s, and train on the others',
    async (...row) => {
      const [, values, reason] = row;
      const { batch, letters, headers, tally } = await fed([values, [1, 2]]);
      expect(batch?.statistics).toMatchObject({ groups: 1, rewards: 2, lostGroups: 1, rewardMean: 1.5 });
      expect(letters).toEqual([{ groupId: '0-0', round: 0, rewards: values }]);
      expect(headers).toEqual([
        {
          origin: 'rewards',
          stage: 'advantages',
          code: 'TRIB_REWARD',
          reason: expect.stringContaining(reason),
        },
      ]);
      // No fault of the reward model: a run in which they are all like this goes on.
      expect(tally).toMatchObject({ deadLetters: 1, deadElsewhere: 1, trainedImages: 0 });
    },
  );
});

describe('countPassedOver', () => {
  it('should tell which groups of a round are trained on, where there are gateways and one was lost', async () => {
    const known = { round: 0, trained: ['0-1'], stale: [] };
    const { progress } = await fed([[1], [1, 2]], new PartialRounds());
    expect(progress).toMatchObject({ round: 0, finishedGroups: 0, partialRounds: [known] });
    expect((await fed([[1], [1, 2]])).progress).not.toHaveProperty('partialRounds');
    // The round is done again, and whole.
    const again = new PartialRounds([known]);
    await fed(
      [
        [2, 1],
        [1, 2],
      ],
      again,
    );
    expect(again.list).toEqual([]);
  });

  it('should say of each stage what came in vain since the one before, and nothing where nothing did', () => {
    const said: RunEvent[] = [];
    const passedOver = countPassedOver((event) => said.push(event));
    passedOver.tell(0);
    passedOver.repeated();
    passedOver.repeated();
    passedOver.late();
    passedOver.tell(1);
    passedOver.tell(2);
    passedOver.late();
    passedOver.tell(3);
    expect(said).toEqual([
      { kind: 'passed-over', round: 1, repeated: 2, late: 1 },
      { kind: 'passed-over', round: 3, repeated: 0, late: 1 },
    ]);
  });
});
