/** @file The broadcast of the training interval. */

import { concatMap, filter, ignoreElements, map, type Observable } from 'rxjs';
import { intervalSchedule } from '../../operators/index.js';
import { stageOf } from '../config/stage-of.js';
import { RUN_KEY } from '../messages.js';
import type { StageContext } from './stage-context.js';

/** Publishes the interval of every training stage as it begins. */
export function scheduleStage({ transport, config }: StageContext): Observable<never> {
  const { numStages } = stageOf(config, 'prompts');
  const { numInferenceSteps } = stageOf(config, 'branchRollouts');
  return transport.latest('progress').pipe(
    map(({ trainingStage }) => trainingStage),
    filter((trainingStage) => trainingStage < numStages),
    intervalSchedule({ spec: stageOf(config, 'intervalSchedule'), numInferenceSteps, numStages }),
    concatMap((interval) => transport.publish('schedule', { key: RUN_KEY, message: interval })),
    ignoreElements(),
  );
}
