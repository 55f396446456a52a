/** @file What operators want and what rounds show, on its way into the rounds: the next round has it, the present one has not. */

import { EMPTY, firstValueFrom, lastValueFrom, merge } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Client } from '../../../src/models/threads/thread.js';
import {
  createHistory,
  placeAt,
  type SchedulePlace,
  type TrainingInterval,
} from '../../../src/operators/index.js';
import { progressAt } from '../../../src/streams/config/resolved/progress-at.js';
import { type Control, UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { RUN_KEY, type TrainableRound } from '../../../src/streams/messages/messages.js';
import { promptsStage } from '../../../src/streams/stages/prompts/prompts-stage.js';
import { scheduleStage } from '../../../src/streams/stages/schedule/schedule-stage.js';
import { trainerStage } from '../../../src/streams/stages/trainer/trainer-stage.js';
import type { TrainerService } from '../../../src/streams/stages/trainer/trainer-thread.js';
import { listed } from '../../fixtures/listed-prompts.js';
import { stageBench } from '../stages/stage-bench.js';

const SIZES = [
  'stages.prompts={type: prompts, train: t, heldOut: h, groupsPerRound: 4, numRounds: 4, runAhead: 4}',
  'stages.schedule={type: schedule, mode: list, phases: [7, 8, 9, 10]}',
  'stages.sampler.groupsPerBatch=2',
  'stages.trainer.updates={from: round, samplesPerUpdate: 4}',
];
const CONFIGURED = ['a', 'b', 'c'];

/** A batch without samples: how the trainer goes from round to round is all that matters. */
const closedAt = (round: number, interval: TrainingInterval | undefined, correlation: number | null) =>
  ({
    round,
    groupIds: [],
    pickedTrees: [],
    batch: {
      samples: [],
      interval: interval ?? null,
      statistics: { intraGroupCorrelation: correlation },
    },
    state: createHistory(),
  }) as unknown as TrainableRound;

/**
 * Prompts, schedule and trainer on one transport; each `train()` lets the present round end.
 * @param start - completed rounds, and where the schedule goes on after them.
 */
function loop(
  settings: readonly string[] = [],
  start: { readonly round: number; readonly place: SchedulePlace } = { round: 0, place: placeAt(0) },
) {
  const bench = stageBench([...SIZES, ...settings], start.round);
  const { context } = bench;
  const { config, transport, control } = context;
  const { position } = start.place;
  void transport.publish('progress', {
    key: RUN_KEY,
    message: progressAt(config, start.round, { position }),
  });
  const scales: number[] = [];
  const intervals: TrainingInterval[] = [];
  const places: SchedulePlace[] = [];
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
  control.beginRound(start.round, position);
  const running = merge(
    control.follow$,
    scheduleStage(controlled),
    trainerStage(controlled, trainer, start.place, async ({ next }) => {
      places.push(next);
    }),
    promptsStage(controlled, { from: 'file', prompts: listed(...CONFIGURED) }, () => undefined),
  ).subscribe();
  onTestFinished(() => running.unsubscribe());
  const want = (changes: Partial<Control>) =>
    transport.publish('control', { key: RUN_KEY, message: { ...UNCONTROLLED, version: 1, ...changes } });
  const train = async (correlation: number | null = null) => {
    const done = scales.length;
    const message = closedAt(start.round + done, intervals[done], correlation);
    await transport.publish('batches', { key: RUN_KEY, message });
    await vi.waitFor(() => expect(intervals.length).toBe(done + 2));
    await vi.waitFor(() => expect(tickets.length).toBe(4 * (done + 2)));
  };
  const prompts = (round: number) =>
    tickets.filter((ticket) => ticket.round === round).map(({ prompt }) => prompt);
  return { want, train, scales, intervals, places, prompts, transport };
}

const steps = ({ round, trainedSteps }: TrainingInterval) => [round, trainedSteps.length];

describe('what operators want of a run', () => {
  it('should change interval, learning rate and prompts of the next round, and nothing of the present one', async () => {
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
    // Round 1 was under way when the change came, and round 2 when it was taken back.
    expect(scales).toEqual([1, 1, 0.25]);
    for (const round of [0, 1, 3]) expect(CONFIGURED).toEqual(expect.arrayContaining(prompts(round)));
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
    for (let round = 0; round < 3; round++) await train();
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

describe('a schedule by correlation', () => {
  const GROWS = [
    'stages.prompts.numRounds=9',
    'stages.schedule={type: schedule, mode: correlation, first: 6, last: 8, threshold: 0.5, rounds: 2}',
  ];
  const trained = (intervals: readonly TrainingInterval[]) =>
    intervals.map(({ trainedSteps }) => trainedSteps.length);

  it('should grow where the branches of rounds are alike, and hold where they are not', async () => {
    const { train, intervals } = loop(GROWS);
    for (const correlation of [0.1, 0.8, 0.9, null, 0.1, 0.8, 0.9]) await train(correlation);
    expect(trained(intervals)).toEqual([6, 6, 6, 7, 7, 7, 7, 8]);
  });

  it('should be held, advanced and rewound by operators, and go on from where it is by itself', async () => {
    const { want, train, intervals } = loop(GROWS);
    await want({ schedule: { shift: 0, frozenAt: 0 } });
    for (const correlation of [0.9, 0.9, 0.9]) await train(correlation);
    await want({ version: 2, schedule: { shift: 1, frozenAt: null } });
    for (const correlation of [0.9, 0.9]) await train(correlation);
    await want({ version: 3, schedule: { shift: -1, frozenAt: null } });
    for (const correlation of [0.9, 0.9, 0.9]) await train(correlation);
    expect(trained(intervals)).toEqual([6, 6, 6, 6, 7, 7, 6, 6, 7]);
  });

  it('should go on from the place of a checkpoint, and show it to whoever hears of the round later', async () => {
    const whole = loop(GROWS);
    const correlations = [0.9, 0.9, 0.1, 0.95, 0.9];
    for (const correlation of correlations) await whole.train(correlation);
    const place = JSON.parse(JSON.stringify(whole.places[2])) as SchedulePlace;
    const resumed = loop(GROWS, { round: 3, place });
    for (const correlation of correlations.slice(3)) await resumed.train(correlation);
    expect(resumed.intervals).toEqual(whole.intervals.slice(3));
    expect(resumed.places).toEqual(whole.places.slice(3));
    const [late, progress] = [
      await firstValueFrom(resumed.transport.latest('schedule')),
      await firstValueFrom(resumed.transport.latest('progress')),
    ];
    expect(late).toEqual(whole.intervals.at(-1));
    expect(progress).toMatchObject({ round: 5, schedulePosition: resumed.places.at(-1)?.position });
  });
});
