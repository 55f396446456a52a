import {
  defer,
  EMPTY,
  ignoreElements,
  merge,
  mergeMap,
  type Observable,
  type OperatorFunction,
  Subject,
  takeUntil,
  tap,
} from 'rxjs';
import { requireCount } from '../checks/option-checks.js';
import type { GroupRewards, LostGroup, RewardedGroup, RolloutGroup } from '../records/records.js';
import { createGroupJoin, type GroupJoinOptions, type JoinOutcome } from './group-join.js';

export interface JoinByGroupOptions extends GroupJoinOptions {
  /** Rewards, and groups lost on the way to one, which release their trajectories at once. */
  readonly rewards$: Observable<GroupRewards | LostGroup>;
  /**
   * The round that begins. What waits of earlier ones is dropped silently: they are trained, and a missing group was
   * counted then, as when a round closes by time. Default: nothing is dropped.
   */
  readonly round$?: Observable<number>;
  /** Takes each group that will never come out of the join, once. */
  readonly onLost: (group: LostGroup) => void;
}

/**
 * Joins trajectories with rewards by group id, whichever comes first. Each group leaves the join once: joined or lost.
 *
 * ```
 * source   a--b-----a--c----|     upper case: the reward of that group; a comes twice
 * rewards  ---A--B-------C--|
 * result   ---x--y-------z--|
 * ```
 *
 * Time: emits as soon as both halves of a group are there. Completes when both sides have, and reports what still waits
 * as lost; errs with either. Buffers at most `maxPending` groups per side: at the bound the oldest is dropped and
 * reported as `unmatched`, and so is its other half when it comes. What waits of a round that is over is dropped,
 * and later halves of it are ignored. Of a duplicate, the first counts. Rewards that are not finite, beyond `maxMagnitude`, or
 * of the wrong number lose the group (`dead-letter`). Unsubscribing releases both sides, the round and the buffers.
 *
 * Errors: TRIB_OPERATOR for a bound that is not a count; a throw of `onLost` errs the stream.
 *
 * Example:
 * ```js
 * const rewards$ = of({ groupId: '0-0', round: 0, rewards: [1, 0] });
 * const groups$ = of({ groupId: '0-0', round: 0, branches: ['left', 'right'] });
 * const options = { rewards$, maxPending: 1, maxRemembered: 8, onLost: () => {} };
 * const result$ = groups$.pipe(joinByGroup(options), map(({ branches, rewards }) => [branches, rewards]));
 * // [[['left', 'right'], [1, 0]]]
 * ```
 */
export function joinByGroup<Branch>(
  options: JoinByGroupOptions,
): OperatorFunction<RolloutGroup<Branch>, RewardedGroup<Branch>> {
  const { rewards$, round$ = EMPTY, onLost } = options;
  requireCount('joinByGroup', 'maxPending', options.maxPending, 1);
  requireCount('joinByGroup', 'maxRemembered', options.maxRemembered, 1);
  return (source) =>
    defer(() => {
      const join = createGroupJoin<Branch>(options);
      const rewarded = (outcomes: readonly JoinOutcome<Branch>[]): RewardedGroup<Branch>[] =>
        outcomes.flatMap((outcome) => {
          if ('rewards' in outcome) return [outcome];
          onLost(outcome);
          return [];
        });
      const isDone$ = new Subject<void>();
      const end = () => {
        rewarded(join.close());
        isDone$.next();
      };
      return merge(
        round$.pipe(
          tap((round) => join.release(round)),
          ignoreElements(),
          takeUntil(isDone$),
        ),
        merge(
          rewards$.pipe(mergeMap((rewards) => rewarded(join.addRewards(rewards)))),
          source.pipe(mergeMap((group) => rewarded(join.addGroup(group)))),
        ).pipe(tap({ complete: end })),
      );
    });
}
