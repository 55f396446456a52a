import {
  asyncScheduler,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  type OperatorFunction,
  type SchedulerLike,
  Subject,
  takeUntil,
  tap,
  timer,
} from 'rxjs';
import { requireCount } from '../checks/option-checks.js';
import type { CombinedRewards, LostGroup, RewardOutcome } from '../records/records.js';
import {
  type CombinableGroup,
  type CombinationOptions,
  createPartsJoin,
  type PartSettings,
} from './combined-parts.js';

/** A part with its rewards, and groups that were lost on the way to one. */
export interface RewardPart extends PartSettings {
  readonly rewards$: Observable<RewardOutcome>;
}

export interface CombineRewardsOptions extends CombinationOptions {
  readonly parts: readonly RewardPart[];
  /** Milliseconds, at least 1, from the first part of a group until the others are missing. Default: they are waited for. */
  readonly deadlineMs?: number | undefined;
  /** Times the deadlines. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** The round that begins: groups of earlier ones are forgotten. Default: none is. */
  readonly round$?: Observable<number>;
}

/**
 * Combines the rewards of several sources into one, group by group. The source brings the tickets of the groups, whose
 * metadata may name the parts that count.
 *
 * ```
 * tickets  ab----------|    deadlineMs 4; part B may be left out
 * part A   --a-b-------|
 * part B   ---a--------|
 * result   ---x----y---|    x from both parts, y from A alone
 * ```
 *
 * Time: emits a group when its ticket and its parts are there, or with `deadlineMs` as soon as no missing part is to be waited
 * for. Completes when the source and all parts have; what is missing then will not come. Errs with any of them. A group
 * leaves once, combined or lost; repeats are dropped. Holds at most `maxPending` groups, and the ids of four times as many
 * that have left. Parts are combined in their order here, so without a deadline nothing depends on arrival. Unsubscribing
 * releases the source, the parts, the round and the timers.
 *
 * Errors: TRIB_OPERATOR for a bound that is not a count.
 *
 * Example:
 * ```js
 * const group = { groupId: '0-0', round: 0 };
 * const part = (name, rewards) => {
 *   return { name, weight: 1, missing: 'wait', rewards$: of({ ...group, rewards }) };
 * };
 * const parts = [part('clip', [1, 2]), part('people', [2, 0])];
 * const combined$ = of(group).pipe(combineRewards({ by: 'sum', parts, maxPending: 1 }));
 * const result$ = combined$.pipe(map(({ rewards }) => rewards));
 * // [[3, 2]]
 * ```
 */
export function combineRewards(
  options: CombineRewardsOptions,
): OperatorFunction<CombinableGroup, CombinedRewards | LostGroup> {
  const { parts, deadlineMs, scheduler = asyncScheduler, round$ = EMPTY } = options;
  requireCount('combineRewards', 'maxPending', options.maxPending, 1);
  if (deadlineMs !== undefined) requireCount('combineRewards', 'deadlineMs', deadlineMs, 1);
  return (tickets$) =>
    defer(() => {
      const join = createPartsJoin(options);
      const begun$ = new Subject<string>();
      const isDone$ = new Subject<void>();
      const begin = (groupId: string) => begun$.next(groupId);
      const inputs$ = merge(
        ...parts.map(({ name, rewards$ }) =>
          rewards$.pipe(mergeMap((outcome) => join.addPart(name, outcome, begin))),
        ),
        tickets$.pipe(mergeMap((ticket) => join.addTicket(ticket))),
      );
      const due$ =
        deadlineMs === undefined
          ? EMPTY
          : begun$.pipe(
              mergeMap((groupId) => timer(deadlineMs, scheduler).pipe(map(() => groupId))),
              mergeMap((groupId) => join.due(groupId)),
              takeUntil(isDone$),
            );
      const released$ = round$.pipe(
        tap((round) => join.release(round)),
        ignoreElements(),
        takeUntil(isDone$),
      );
      const rest$ = defer(() => {
        isDone$.next();
        return join.close();
      });
      return merge(released$, due$, concat(inputs$, rest$));
    });
}
