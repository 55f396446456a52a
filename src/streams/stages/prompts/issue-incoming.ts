import {
  defer,
  filter,
  fromEvent,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  ReplaySubject,
  Subject,
  takeUntil,
  tap,
} from 'rxjs';
import { type PromptTicket, readLatest } from '../../../operators/index.js';
import { metadataPart } from '../../../prompt-metadata.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { StageContext } from '../shared/stage-context.js';
import { fillSlots } from './fill-slots.js';
import type { IssuedTickets } from './issued-tickets.js';
import type { PromptInbox } from './prompt-inbox.js';
import { admitted, PUBLISHED_AT_ONCE, publishTicket, type Slot, slots } from './slots.js';
import type { GivenPrompt, ReceivedPrompt, Waiting } from './waiting-prompts.js';

interface IssueIncomingOptions {
  readonly context: StageContext;
  readonly inboxes: readonly PromptInbox[];
  /** Makes the place where prompts wait for groups. */
  readonly createWaiting: () => Waiting<ReceivedPrompt, GivenPrompt>;
  /** What the run issued before. */
  readonly issued: IssuedTickets;
  /** Called when the last group of a round has a prompt; never for a round that is closed by time before. */
  readonly onIssued: (round: number) => void;
}

/**
 * Gives every admitted group the next prompt of the sources: topics, and the files that `createWaiting` draws from.
 *
 * ```
 * slots    (01)------(23)---
 * inbox    ---a-a-b-c----d--     a comes twice
 * tickets  ---0---1--2---3--
 * ```
 *
 * Time: publishes a ticket when there is room for its group and a prompt for it; acknowledges the prompt when the ticket is
 * durable. A group without a prompt gets none once its round is closed. Completes when the last group is issued, or as soon
 * as the run is stopping: the remaining prompts stay in their topic. Holds `maxWaiting` prompts of each topic and `runAhead`
 * slots.
 */
export function issueIncoming({
  context,
  inboxes,
  createWaiting,
  issued,
  onIssued,
}: IssueIncomingOptions): Observable<never> {
  const { unfinished, sources } = issued;
  const prompts$ = new Subject<ReceivedPrompt>();
  const isDone$ = new ReplaySubject<void>(1);
  const { count: countIssued, forget } = roundCount(context, onIssued);

  const ticketed = ([slot, given]: readonly [Slot, GivenPrompt]): Ticketed => {
    const { prompt, metadata, received } = given;
    countIssued(slot);
    const ticket = { ...slot, prompt, ...metadataPart(metadata) };
    if (received === undefined) return { ticket };
    const { inbox, message } = received;
    inbox.assign(message.id, slot.groupIndex);
    return { ticket: { ...ticket, sourceId: inbox.sourceIdOf(message.id) }, received };
  };
  // A group that has its prompt already keeps it.
  const isNew = (slot: Slot) => {
    const isOpen = !unfinished.has(slot.groupIndex);
    if (!isOpen) countIssued(slot);
    return isOpen;
  };
  // The same progress for both: the next round is admitted only when it is known which one is closed.
  const fresh$ = readLatest(context.transport.latest('progress'), (progress$) =>
    admitted(context, slots(context), progress$).pipe(
      filter(isNew),
      fillSlots({
        items$: prompts$,
        createWaiting,
        closedGroups$: progress$.pipe(
          map(({ finishedGroups }) => finishedGroups),
          tap(forget),
        ),
      }),
    ),
  ).pipe(takeUntil(aborted(context.stopping)), map(ticketed));
  const issue$ = fresh$.pipe(
    mergeMap(
      ({ ticket, received }) => publishTicket(context, ticket).pipe(map(() => received)),
      PUBLISHED_AT_ONCE,
    ),
    tap({
      next: (received) => received?.inbox.settle(received.message.id),
      complete: () => {
        for (const inbox of inboxes) inbox.end();
        isDone$.next();
      },
    }),
  );
  const receive$ = merge(
    ...inboxes.map((inbox) =>
      inbox.receive(sources).pipe(tap((message) => prompts$.next({ inbox, message }))),
    ),
  ).pipe(takeUntil(isDone$));
  return merge(issue$, receive$).pipe(ignoreElements());
}

interface Ticketed {
  readonly ticket: PromptTicket;
  /** The prompt of a topic that it is for. */
  readonly received?: ReceivedPrompt;
}

/** Counts the groups of each round that have their prompt. */
function roundCount({ config }: StageContext, onFull: (round: number) => void) {
  const { groupsPerRound } = stageOf(config, 'prompts');
  const counts = new Map<number, number>();
  return {
    count({ round }: Slot): void {
      const count = (counts.get(round) ?? 0) + 1;
      counts.set(round, count);
      if (count < groupsPerRound) return;
      counts.delete(round);
      onFull(round);
    },
    /** Closed rounds will not fill up any more. */
    forget(closedGroups: number): void {
      for (const round of counts.keys()) if (round * groupsPerRound < closedGroups) counts.delete(round);
    },
  };
}

function aborted(signal: AbortSignal): Observable<unknown> {
  return defer(() => (signal.aborted ? of(undefined) : fromEvent(signal, 'abort')));
}
