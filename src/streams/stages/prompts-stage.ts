/** @file The stage that starts work: prompts, admitted as fast as groups finish. */

import { concatMap, ignoreElements, map, type Observable } from 'rxjs';
import { counterRandom } from '../../models/random/counter-random.js';
import { admitByRunAhead, type PromptTicket } from '../../operators/index.js';
import { stageOf } from '../config/stage-of.js';
import type { StageContext } from './stage-context.js';

/**
 * Publishes tickets until the last stage is issued, or until the run is stopping and the stage that was begun is issued;
 * completes when the run has come so far that the next stage would begin.
 */
export function promptsStage(
  context: StageContext,
  prompts: readonly string[],
  onIssued: (trainingStage: number) => void,
): Observable<never> {
  const { transport, config, firstTrainingStage } = context;
  const { runAhead, groupsPerStage } = stageOf(config, 'prompts');
  return transport.latest('progress').pipe(
    map(({ finishedGroups }) => finishedGroups),
    admitByRunAhead({
      runAhead,
      tickets: tickets(context, prompts, onIssued),
      initiallyFinished: firstTrainingStage * groupsPerStage,
    }),
    concatMap((ticket) => transport.publish('prompts', { key: ticket.groupId, message: ticket })),
    ignoreElements(),
  );
}

/** Tickets in order. The prompt of a group depends on the seed, its index and the list of its stage alone. */
function* tickets(
  { config, firstTrainingStage, stopping, control }: StageContext,
  configured: readonly string[],
  onIssued: (trainingStage: number) => void,
): Generator<PromptTicket> {
  const { choice, groupsPerStage, numStages } = stageOf(config, 'prompts');
  for (
    let trainingStage = firstTrainingStage;
    trainingStage < numStages && !stopping.aborted;
    trainingStage++
  ) {
    onIssued(trainingStage);
    const prompts = control.at(trainingStage).prompts ?? configured;
    for (let index = 0; index < groupsPerStage; index++) {
      const groupIndex = trainingStage * groupsPerStage + index;
      const drawn =
        choice === 'round-robin'
          ? roundRobin(config.seed, groupIndex, prompts.length)
          : counterRandom({ seed: config.seed, purpose: 'prompt-choice', group: groupIndex }).integer(
              prompts.length,
            );
      yield { groupId: `${trainingStage}-${index}`, groupIndex, trainingStage, prompt: prompts[drawn] ?? '' };
    }
  }
}

/** Every prompt once a round, in an order that is drawn afresh for each round. */
function roundRobin(seed: number, groupIndex: number, count: number): number {
  const order = counterRandom({
    seed,
    purpose: 'prompt-choice',
    group: Math.floor(groupIndex / count),
  }).shuffle(Array.from({ length: count }, (_, index) => index));
  return order[groupIndex % count] ?? 0;
}
