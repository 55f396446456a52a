/** @file Tickets in; for groups that people have decided on their trajectories and rewards out, the others passed on. */

import {
  concatMap,
  EMPTY,
  firstValueFrom,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  Subject,
  skipWhile,
} from 'rxjs';
import { TributaryError } from '../../../errors.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import {
  discardStale,
  type LostGroup,
  type PromptTicket,
  preferenceOf,
  type RolloutGroup,
} from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { JudgedMetric } from '../../messages/messages.js';
import { isGatewayGroup } from '../../messages/people.js';
import { groupFault } from '../shared/group-faults.js';
import { receiveUnfinished } from '../shared/receive-unfinished.js';
import type { StageContext } from '../shared/stage-context.js';
import type { CatchUp } from './catch-up.js';
import type { GatewayStore } from './gateway-store.js';
import type { GroupBook } from './group-book.js';

interface Kept {
  readonly book: GroupBook;
  readonly store: GatewayStore;
  readonly caughtUp: CatchUp;
}

/** A group under its place in a round. */
interface PlacedGroup extends RolloutGroup<Trajectory> {
  readonly sourceId: string;
}

/**
 * Gives the trajectories and rewards of a group when its ticket comes. A ticket of another source goes on to the samplers. A group
 * whose policy or interval has moved on is lost and counted as stale; so is one that has been trained, or is gone. Every gateway
 * learns of every place, also of one in a round that is over, so that each says the same of a group.
 *
 * Time: a ticket waits until this gateway has read of the decision, which another may have sent in. A group of a later round is
 * answered when that round begins, so that it is judged by the policy that it would train. Holds the groups in flight.
 */
export function answerTickets(context: StageContext, { book, store, caughtUp }: Kept): Observable<never> {
  const { transport, config, firstRound } = context;
  const maxInFlight = 2 * stageOf(config, 'prompts').runAhead;
  const { maxStaleness } = stageOf(config, 'trainer');
  const lost$ = new Subject<LostGroup>();
  const interval$ = transport.latest('schedule').pipe(skipWhile(({ round }) => round < firstRound));
  const ids = new Map<string, string>();

  const received = (consumerGroup: string) =>
    receiveUnfinished({
      transport,
      topic: 'prompts',
      consumerGroup,
      maxInFlight,
      faultOf: groupFault(config),
      takeFinished: (ticket) => firstValueFrom(decided(ticket).pipe(concatMap(() => learn(ticket)))),
    }).pipe(mergeMap((ticket) => decided(ticket).pipe(map(() => ticket)), maxInFlight));
  const decided = ({ sourceId = '' }: PromptTicket) =>
    caughtUp(idOf(sourceId), ({ state }) => state !== 'waiting');
  const learn = (ticket: PromptTicket) => book.place(idOf(ticket.sourceId ?? ''), ticket);
  const place = async (ticket: PromptTicket): Promise<PlacedGroup[]> => {
    const { groupId: key, groupIndex: turn, round, sourceId = '' } = ticket;
    const id = idOf(sourceId);
    if (!isGatewayGroup(id)) {
      await transport.publish('prompts', { key, turn, message: ticket });
      return [];
    }
    if (round < book.counts.round) {
      // It was closed by time while the ticket waited, and counts the group as late.
      await learn(ticket);
      return [];
    }
    const refused = await book.assign(id, ticket);
    if (refused !== null) {
      await lose({ groupId: key, round, reason: 'dropped', detail: refused });
      return [];
    }
    try {
      const { groupIndex: noiseIndex, ...kept } = await store.trajectories(id);
      ids.set(key, id);
      return [{ ...kept, ...ticket, sourceId, noiseIndex }];
    } catch (error) {
      // A damaged file costs its group, and no more.
      if (!(error instanceof TributaryError)) throw error;
      await lose({ groupId: key, round, reason: 'dropped', detail: error.message });
      return [];
    }
  };
  const lose = (group: LostGroup): Promise<void> =>
    transport.publish('rewards', { key: group.groupId, message: group });
  const answer = async (placed: PlacedGroup): Promise<void> => {
    const { groupId, groupIndex: turn, round, sourceId } = placed;
    ids.delete(groupId);
    const group = book.find(idOf(sourceId));
    if (!group?.rewards) return lose({ groupId, round, reason: 'dropped', detail: 'its group was removed' });
    const { rewards, votes, comparison } = group;
    const agreement = group.agreement ?? 0;
    const { expired, stale } = book.counts;
    const metric: JudgedMetric = {
      ...{ kind: 'judged', groupId, round, votes, agreement, expired, stale },
      ...(comparison && {
        choice: { canary: comparison.canary, preference: preferenceOf(rewards, comparison.pictures) },
      }),
    };
    await Promise.all([
      transport.publish('trajectories', { key: groupId, turn, message: placed }),
      transport.publish('metrics', { key: groupId, message: metric }),
      transport.publish('rewards', { key: groupId, message: { groupId, round, rewards } }),
    ]);
  };
  const loseStale = async (group: LostGroup): Promise<void> => {
    const id = ids.get(group.groupId);
    ids.delete(group.groupId);
    if (id !== undefined) await book.lose(id);
    await lose(group);
  };
  const answered$ = received('gateways').pipe(
    concatMap(place),
    concatMap((placed) => from(placed)),
    discardStale<PlacedGroup>({
      policyVersion$: interval$.pipe(map(({ round }) => round)),
      interval$,
      maxStaleness,
      maxHeld: maxInFlight,
      onLost: (group) => lost$.next(group),
    }),
    concatMap(answer),
  );
  // What another gateway answers has its place here, too.
  const isAlone = config.transport.kind === 'in-process';
  const placed$ = (isAlone ? EMPTY : received(`gateway-${store.name}`)).pipe(concatMap(learn));
  return merge(lost$.pipe(concatMap(loseStale)), answered$, placed$).pipe(ignoreElements());
}

/** Behind the name of its source, where there are several. */
function idOf(sourceId: string): string {
  return sourceId.slice(sourceId.lastIndexOf('/') + 1);
}
