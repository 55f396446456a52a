/** @file What operators want, on its way into the topology stages: the next training stage has it, the present one has not. */

import { EMPTY, lastValueFrom, merge } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Trajectory } from '../../../src/models/rollouts/sampler.js';
import type { Client } from '../../../src/models/threads/thread.js';
import { type ClosedStage, createHistory, type TrainingInterval } from '../../../src/operators/index.js';
import { type Control, UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { RUN_KEY } from '../../../src/streams/messages/messages.js';
import { promptsStage } from '../../../src/streams/stages/prompts/prompts-stage.js';
import { scheduleStage } from '../../../src/streams/stages/schedule/schedule-stage.js';
import { trainerStage } from '../../../src/streams/stages/trainer/trainer-stage.js';
import type { TrainerService } from '../../../src/streams/stages/trainer/trainer-thread.js';
import { listed } from '../../fixtures/listed-prompts.js';
import { stageBench } from '../stages/stage-bench.js';

const SIZES = [
  'stages.prompts={type: prompts, train: t, heldOut: h, groupsPerStage: 4, numStages: 4, runAhead: 4}',
  'stages.schedule={type: intervalSchedule, mode: list, stages: [7, 8, 9, 10]}',
  'stages.sampler.groupsPerBatch=2',
  'stages.trainer.updates={from: stage, samplesPerUpdate: 4}',
];
const CONFIGURED = ['a', 'b', 'c'];

/** A batch without samples: how the trainer goes from stage to stage is all that matters. */
const closedAt = (trainingStage: number, interval: TrainingInterval | undefined) =>
  ({
    trainingStage,
    batch: { samples: [], interval: interval ?? null },
    state: createHistory(),
  }) as unknown as ClosedStage<Trajectory>;

/** Prompts, schedule and trainer on one transport; each `train()` lets the present training stage end. */
function loop() {
  const bench = stageBench(SIZES);
  const { context } = bench;
  const { transport, control } = context;
  const scales: number[] = [];
  const intervals: TrainingInterval[] = [];
  const tickets = bench.read('prompts');
  const trainer = {
    train: async ({ learningRateScale }: { learningRateScale: number }) => {
      scales.push(learningRateScale);
      return {};
    },
    parameters: async () => ({}),
  } as unknown as Client<TrainerService>;
  transport.latest('schedule').subscribe((interval) => intervals.push(interval));
  const controlled = { ...context, learningRateScale: () => control.inForce().learningRateScale };
  control.beginStage(0);
  const running = merge(
    control.follow$,
    scheduleStage(controlled),
    trainerStage(controlled, trainer, async () => undefined),
    promptsStage(controlled, { from: 'file', prompts: listed(...CONFIGURED) }, () => undefined),
  ).subscribe();
  onTestFinished(() => running.unsubscribe());
  const want = (changes: Partial<Control>) =>
    transport.publish('control', { key: RUN_KEY, message: { ...UNCONTROLLED, version: 1, ...changes } });
  const train = async () => {
    const stage = scales.length;
    await transport.publish('batches', { key: RUN_KEY, message: closedAt(stage, intervals[stage]) });
    await vi.waitFor(() => expect(intervals.length).toBe(stage + 2));
    await vi.waitFor(() => expect(tickets.length).toBe(4 * (stage + 2)));
  };
  const prompts = (stage: number) =>
    tickets.filter(({ trainingStage }) => trainingStage === stage).map(({ prompt }) => prompt);
  return { want, train, scales, intervals, prompts };
}

const steps = ({ trainingStage, trainedSteps }: TrainingInterval) => [trainingStage, trainedSteps.length];

describe('what operators want of a run', () => {
  it('should change interval, learning rate and prompts of the next training stage, and nothing of the present one', async () => {
    const { want, train, scales, intervals, prompts } = loop();
    await vi.waitFor(() => expect(intervals.map(steps)).toEqual([[0, 7]]));
    await train();
    await want({
      learningRateScale: 0.25,
      schedule: { shift: 2, frozenAt: null },
      prompts: listed('x', 'y'),
    });
    expect(intervals.map(steps)).toEqual([
      [0, 7],
      [1, 8],
    ]);
    await train();
    await want({ version: 2 });
    await train();
    expect(intervals.map(steps)).toEqual([
      [0, 7],
      [1, 8],
      [2, 10],
      [3, 10],
    ]);
    // Stage 1 was under way when the change came, and stage 2 when it was taken back.
    expect(scales).toEqual([1, 1, 0.25]);
    for (const stage of [0, 1, 3]) expect(CONFIGURED).toEqual(expect.arrayContaining(prompts(stage)));
    expect(['x', 'y']).toEqual(expect.arrayContaining(prompts(2)));
    expect(prompts(2)).toHaveLength(4);
  });

  it('should draw from another list as it would have from the first, by seed and index', async () => {
    const [one, two] = [loop(), loop()];
    for (const { want, train } of [one, two]) {
      await want({ prompts: listed('x', 'y', 'z') });
      await train();
    }
    const plain = loop();
    await plain.train();
    expect(one.prompts(1)).toEqual(two.prompts(1));
    const translated = plain.prompts(1).map((prompt) => ['x', 'y', 'z'][CONFIGURED.indexOf(prompt)]);
    expect(one.prompts(1)).toEqual(translated);
  });

  it('should leave a run alone of which nothing is wanted', async () => {
    const { train, scales, intervals } = loop();
    for (let stage = 0; stage < 3; stage++) await train();
    expect(scales).toEqual([1, 1, 1]);
    expect(intervals.map(steps)).toEqual([
      [0, 7],
      [1, 8],
      [2, 9],
      [3, 10],
    ]);
  });

  it('should err with the transport', async () => {
    const { context } = stageBench(SIZES);
    await context.transport.close();
    await expect(lastValueFrom(merge(context.control.follow$, EMPTY))).rejects.toMatchObject({
      code: 'TRIB_TRANSPORT',
    });
  });
});
