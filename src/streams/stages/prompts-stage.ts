/** @file The stage that starts work: prompts, admitted as fast as groups finish. */

import { defer, exhaustMap, filter, ignoreElements, map, mergeMap, type Observable, take } from 'rxjs';
import { counterRandom } from '../../models/random/counter-random.js';
import { stageOf } from '../config/stage-of.js';
import { type IssuedTickets, readIssued } from '../incoming/issued-tickets.js';
import type { PromptInbox } from '../incoming/prompt-inbox.js';
import { issueIncoming } from './issue-incoming.js';
import { admitted, PUBLISHED_AT_ONCE, publishTicket, type Slot, slots } from './slots.js';
import type { StageContext } from './stage-context.js';

/** Where the prompts of groups come from, as the config says, opened. */
export type PromptSource =
  | { readonly from: 'file'; readonly prompts: readonly string[] }
  | { readonly from: 'topic'; readonly inbox: PromptInbox };

/**
 * Publishes tickets until the last stage is issued, or until the run is stopping: with prompts of a file the stage that was
 * begun is issued first, while prompts that others have still to write are not waited for. Tickets that are in their topic
 * already are not issued again. Completes when the run has come so far that the next stage would begin.
 *
 * @param onIssued Hears of a training stage that will be issued as a whole.
 */
export function promptsStage(
  context: StageContext,
  source: PromptSource,
  onIssued: (trainingStage: number) => void,
): Observable<never> {
  const { transport, config } = context;
  return defer(() => readIssued(transport, config, context.firstTrainingStage)).pipe(
    exhaustMap((issued) =>
      // Reading takes a while, in which the run may have gone on.
      transport.latest('progress').pipe(
        take(1),
        exhaustMap(({ trainingStage }) => {
          const from = { ...context, firstTrainingStage: trainingStage };
          return source.from === 'file'
            ? issueFromFile(from, source.prompts, issued, onIssued)
            : issueIncoming({ context: from, inbox: source.inbox, issued, onIssued });
        }),
      ),
    ),
  );
}

function issueFromFile(
  context: StageContext,
  prompts: readonly string[],
  { unfinished }: IssuedTickets,
  onIssued: (trainingStage: number) => void,
): Observable<never> {
  return admitted(context, slots(context, onIssued)).pipe(
    filter(({ groupIndex }) => !unfinished.has(groupIndex)),
    map((slot) => ({ ...slot, prompt: promptOf(context, prompts, slot) })),
    mergeMap((ticket) => publishTicket(context, ticket), PUBLISHED_AT_ONCE),
    ignoreElements(),
  );
}

/** The prompt of a group depends on the seed, its index and the list of its stage alone. */
function promptOf(
  { config, control }: StageContext,
  configured: readonly string[],
  { groupIndex, trainingStage }: Slot,
): string {
  const prompts = control.at(trainingStage).prompts ?? configured;
  const drawn =
    stageOf(config, 'prompts').choice === 'round-robin'
      ? roundRobin(config.seed, groupIndex, prompts.length)
      : counterRandom({ seed: config.seed, purpose: 'prompt-choice', group: groupIndex }).integer(
          prompts.length,
        );
  return prompts[drawn] ?? '';
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
