/** @file The stage that starts work: prompts, admitted as fast as groups finish. */

import { defer, exhaustMap, filter, ignoreElements, map, mergeMap, type Observable, take } from 'rxjs';
import type { PromptTicket } from '../../../operators/index.js';
import { metadataPart } from '../../../prompt-metadata.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ListedPrompt } from '../../messages/prompts.js';
import type { StageContext } from '../shared/stage-context.js';
import { drawPrompt } from './draw-prompt.js';
import { issueIncoming } from './issue-incoming.js';
import { type IssuedTickets, readIssued } from './issued-tickets.js';
import type { PromptInbox } from './prompt-inbox.js';
import { admitted, PUBLISHED_AT_ONCE, publishTicket, type Slot, slots } from './slots.js';
import { type MergedSource, ofOneTopic, ofSources } from './waiting-prompts.js';

/** An open source of prompts. */
export type PromptSource =
  | { readonly from: 'file'; readonly prompts: readonly ListedPrompt[] }
  | { readonly from: 'topic'; readonly inbox: PromptInbox }
  | { readonly from: 'merge'; readonly sources: readonly MergedSource[] };

/**
 * Publishes tickets until the last round is issued, or until the run is stopping: with prompts from a file, the round that
 * has begun is still issued; prompts that others would have to write are not waited for. Tickets that are in their topic
 * already are not issued again. Completes when the next round would begin.
 *
 * @param onIssued called with each round that will be issued as a whole.
 */
export function promptsStage(
  context: StageContext,
  source: PromptSource,
  onIssued: (round: number) => void,
): Observable<never> {
  const { transport, config } = context;
  return defer(() => readIssued(transport, config, context.firstRound)).pipe(
    exhaustMap((issued) =>
      // Reading takes a while, in which the run may have gone on.
      transport.latest('progress').pipe(
        take(1),
        exhaustMap(({ round }) => {
          const from = { ...context, firstRound: round };
          if (source.from === 'file') return issueFromFile(from, source.prompts, issued, onIssued);
          return issueIncoming({ context: from, ...waitingOf(from, source), issued, onIssued });
        }),
      ),
    ),
  );
}

/** The topics of a source, and where their prompts wait. */
function waitingOf(context: StageContext, source: Exclude<PromptSource, { readonly from: 'file' }>) {
  if (source.from === 'topic') return { inboxes: [source.inbox], createWaiting: ofOneTopic };
  const { sources } = source;
  const inboxes = sources.flatMap((one) => (one.from === 'topic' ? [one.inbox] : []));
  return { inboxes, createWaiting: () => ofSources(context, sources) };
}

function issueFromFile(
  context: StageContext,
  prompts: readonly ListedPrompt[],
  { unfinished }: IssuedTickets,
  onIssued: (round: number) => void,
): Observable<never> {
  return admitted(context, slots(context, onIssued)).pipe(
    filter(({ groupIndex }) => !unfinished.has(groupIndex)),
    map((slot) => ({ ...slot, ...promptOf(context, prompts, slot) })),
    mergeMap((ticket) => publishTicket(context, ticket), PUBLISHED_AT_ONCE),
    ignoreElements(),
  );
}

/** The prompt of a group depends on the seed, its index and the list of its round alone. */
function promptOf(
  { config, control }: StageContext,
  configured: readonly ListedPrompt[],
  { groupIndex, round }: Slot,
): Pick<PromptTicket, 'prompt' | 'metadata'> {
  const { choice } = stageOf(config, 'prompts');
  const prompts = control.at(round).prompts ?? configured;
  const { prompt, metadata } = drawPrompt(prompts, { seed: config.seed, choice, groupIndex });
  return { prompt, ...metadataPart(metadata) };
}
