/** @file Broadcasts the training interval, which operators may hold, advance and rewind. */

import { concatMap, filter, ignoreElements, map, type Observable } from 'rxjs';
import { controlledSchedule } from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import { RUN_KEY } from '../../messages/messages.js';
import type { StageContext } from '../shared/stage-context.js';

/**
 * Publishes the interval of every round as it begins.
 *
 * @param noisySteps leading sampler steps that draw noise under the model's scheduler.
 */
export function scheduleStage(
  { transport, config, control }: StageContext,
  noisySteps?: number,
): Observable<never> {
  const { numRounds, plannedRounds } = stageOf(config, 'prompts');
  const { numInferenceSteps } = stageOf(config, 'sampler');
  return transport.latest('progress').pipe(
    map(({ round, schedulePosition }) => ({ round, position: schedulePosition ?? round })),
    filter(({ round }) => round < numRounds),
    // Closing a round is progress too, and begins none: a round that comes again is skipped.
    controlledSchedule({
      spec: stageOf(config, 'schedule'),
      numInferenceSteps,
      numRounds,
      plannedRounds,
      noisySteps,
      control$: control.inForce$.pipe(map(({ schedule }) => schedule)),
    }),
    concatMap((interval) => transport.publish('schedule', { key: RUN_KEY, message: interval })),
    ignoreElements(),
  );
}
