/** @file The groups of a run before they have prompts: how they are admitted and published. */

import { from, map, type Observable } from 'rxjs';
import { admitByRunAhead, type PromptTicket } from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { Progress } from '../../messages/messages.js';
import type { StageContext } from '../shared/stage-context.js';

/** A group that may begin but has no prompt yet. */
export type Slot = Omit<PromptTicket, 'prompt' | 'metadata' | 'sourceId'>;

/**
 * Lets slots through while fewer than `runAhead` groups are in flight. A round that closes by time may finish before all of
 * its slots are let through; the rest are skipped.
 */
export function admitted(
  { transport, config, firstRound }: StageContext,
  list: Iterable<Slot>,
  progress$: Observable<Progress> = transport.latest('progress'),
): Observable<Slot> {
  const { runAhead, groupsPerRound } = stageOf(config, 'prompts');
  const { closeAfterMs } = stageOf(config, 'advantages');
  return progress$.pipe(
    // Groups of a round that is closed and not trained yet are still in flight.
    map(({ round }) => round * groupsPerRound),
    admitByRunAhead({
      runAhead,
      tickets: list,
      initiallyFinished: firstRound * groupsPerRound,
      skipsFinished: closeAfterMs !== undefined,
    }),
  );
}

/** Tickets that are published at the same time: as many as fill a request of the transport. */
export const PUBLISHED_AT_ONCE = 1000;

export function publishTicket({ transport }: StageContext, ticket: PromptTicket): Observable<void> {
  const { groupId, groupIndex } = ticket;
  return from(transport.publish('prompts', { key: groupId, message: ticket, turn: groupIndex }));
}

/** The groups of the run in order, from the first one that is not finished. */
export function* slots(
  { config, firstRound, stopping }: StageContext,
  onBegin: (round: number) => void = () => undefined,
): Generator<Slot> {
  const { groupsPerRound, numRounds } = stageOf(config, 'prompts');
  for (let round = firstRound; round < numRounds && !stopping.aborted; round++) {
    onBegin(round);
    for (let index = 0; index < groupsPerRound; index++) {
      const groupIndex = round * groupsPerRound + index;
      yield { groupId: `${round}-${index}`, groupIndex, round };
    }
  }
}
