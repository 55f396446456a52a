/** @file Batches in, policies out. A round is finished when its checkpoint is written; then the next one begins. */

import { concatMap, from, type Observable } from 'rxjs';
import type { TrainingStatistics } from '../../../models/policy/training-statistics.js';
import type { Client } from '../../../models/threads/thread.js';
import { gradientSteps, type SchedulePlace, scheduleGrowth } from '../../../operators/index.js';
import { progressAt } from '../../config/resolved/progress-at.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import { RUN_KEY, type ServedPolicies, type TrainableRound } from '../../messages/messages.js';
import { receiveUnfinished } from '../shared/receive-unfinished.js';
import type { StageContext } from '../shared/stage-context.js';
import type { TrainerService } from './trainer-thread.js';

export interface TrainedRound {
  readonly closed: TrainableRound;
  readonly statistics: TrainingStatistics;
  /** Where the schedule goes on. */
  readonly next: SchedulePlace;
  /** When its gradient steps began, by `performance.now()`. */
  readonly begunAt: number;
}

/**
 * Runs between the gradient steps of a round and the start of the next one: evaluation, checkpoint. Returns what
 * people are given, where policies are compared.
 */
export type AfterRound = (round: TrainedRound) => Promise<ServedPolicies | undefined>;

/**
 * Trains round after round, and emits each when the next one has begun.
 *
 * @param start The place of the schedule in the first round.
 */
export function trainerStage(
  context: StageContext,
  trainer: Client<TrainerService>,
  start: SchedulePlace,
  afterRound: AfterRound,
): Observable<TrainedRound> {
  const { transport, config, control } = context;

  const train = async (closed: TrainableRound): Promise<Omit<TrainedRound, 'next'>> => {
    const begunAt = performance.now();
    const { batch, round } = closed;
    const samples = batch.samples.map(({ branch: _, reward: __, ...sample }) => sample);
    const trainedSteps = batch.interval?.trainedSteps ?? [];
    const learningRateScale = context.learningRateScale();
    const statistics = await trainer.train(
      { samples, trainedSteps, round, learningRateScale },
      { signal: context.canceling },
    );
    context.observe?.({ kind: 'busy', part: 'trainer', seconds: (performance.now() - begunAt) / 1000 });
    return { closed, statistics, begunAt };
  };
  const beginNext = async (trained: TrainedRound): Promise<TrainedRound> => {
    const round = trained.closed.round + 1;
    const served = await afterRound(trained);
    const { position } = trained.next;
    control.beginRound(round, position);
    await transport.publish('policy', {
      key: RUN_KEY,
      message: { version: round, parameters: await trainer.parameters(undefined), ...(served && { served }) },
    });
    const { trainPrompts, partialRounds } = context;
    const progress = progressAt(config, round, {
      position,
      trainPrompts,
      partialRounds: partialRounds?.list,
    });
    await transport.publish('progress', { key: RUN_KEY, message: progress });
    return trained;
  };
  return receiveUnfinished({ transport, topic: 'batches', consumerGroup: 'trainer', maxInFlight: 4 }).pipe(
    gradientSteps({ train: (closed) => from(train(closed)), maxQueued: 4 }),
    scheduleGrowth({
      spec: stageOf(config, 'schedule'),
      start,
      evidenceOf: ({ closed: { batch } }) => ({
        firstStep: batch.interval?.firstStep ?? null,
        correlation: batch.statistics.intraGroupCorrelation,
        isFrozen: control.inForce().schedule.frozenAt !== null,
      }),
    }),
    concatMap(([trained, next]) => beginNext({ ...trained, next })),
  );
}
