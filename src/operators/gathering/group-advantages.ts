import {
  asyncScheduler,
  defer,
  distinctUntilChanged,
  EMPTY,
  merge,
  mergeMap,
  type OperatorFunction,
  type SchedulerLike,
  Subject,
  switchMap,
  tap,
  timer,
} from 'rxjs';
import { requireCount } from '../checks/option-checks.js';
import type { LostGroup, RewardedGroup } from '../records/records.js';
import { createRoundCloser, type RoundCloserOptions } from './close-rounds.js';
import type { ClosedRound } from './round-batch.js';

export interface GroupAdvantagesOptions extends RoundCloserOptions {
  /**
   * Milliseconds, at least 1, after which a round closes with the outcomes it has; the clock starts when the round is the
   * next to close and has a rewarded group. Default: rounds close by count alone.
   */
  readonly closeAfterMs?: number | undefined;
  /** Times `closeAfterMs`. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Gathers the outcomes of each round and turns them into one batch of samples with advantages.
 *
 * ```
 * source  a-c-b---d--|     groupsPerRound 2; a, b of round 0; c, d of round 1
 * result  ----x---y--|     x from ab, y from cd
 *
 * source  -a----b--c---|   closeAfterMs 4
 * result  -----x------y|   x from a alone; b is late and dropped; y from c
 * ```
 *
 * Time: emits a round when its `groupsPerRound` outcomes are in and all earlier rounds are out, so rounds leave in order
 * and each sees the history of those before it. With `closeAfterMs` it waits no longer than that once it has
 * a rewarded group and all earlier rounds are out; missing groups are counted as late. A round without a rewarded group
 * waits for its count. Completes with the source; an incomplete round is not emitted then (its groups come again after
 * a resume). Errs with the source or the rule. Buffers the groups of at most `maxOpenRounds`
 * rounds. A second outcome of a group and outcomes of a round that is out are dropped. Unsubscribing releases the
 * source and the timer. Without `closeAfterMs` the result does not depend on the order of arrival.
 *
 * Errors: TRIB_OVERFLOW when one more round would open; TRIB_OPERATOR when a round has more groups than it should, or
 * groups of one round have different intervals.
 *
 * Example:
 * ```js
 * const interval = { round: 0, firstStep: 2, numSteps: 4, trainedSteps: [2, 3] };
 * const ticket = { groupId: '0-0', groupIndex: 0, round: 0, prompt: 'a red circle' };
 * const group = { ...ticket, interval, policyVersion: 0, branches: ['left', 'right'], rewards: [1, 3] };
 * const rule = leaveOneOutRule({ scale: 'none' });
 * const rounds$ = of(group).pipe(groupAdvantages({ rule, groupsPerRound: 1, maxOpenRounds: 1 }));
 * const result$ = rounds$.pipe(map(({ batch }) => batch.samples.map(({ advantage }) => advantage)));
 * // [[-2, 2]]
 * ```
 */
export function groupAdvantages<Trajectory>(
  options: GroupAdvantagesOptions,
): OperatorFunction<RewardedGroup<Trajectory> | LostGroup, ClosedRound<Trajectory>> {
  const { groupsPerRound, maxOpenRounds, firstRound = 0, closeAfterMs, scheduler = asyncScheduler } = options;
  requireCount('groupAdvantages', 'groupsPerRound', groupsPerRound, 1);
  requireCount('groupAdvantages', 'maxOpenRounds', maxOpenRounds, 1);
  requireCount('groupAdvantages', 'firstRound', firstRound, 0);
  if (closeAfterMs !== undefined) requireCount('groupAdvantages', 'closeAfterMs', closeAfterMs, 1);
  return (source) =>
    defer(() => {
      const rounds = createRoundCloser<Trajectory>(options);
      if (closeAfterMs === undefined) return source.pipe(mergeMap((outcome) => rounds.add(outcome)));
      /** The round whose clock runs, or null. */
      const timed$ = new Subject<number | null>();
      const restartClock = (closed: ClosedRound<Trajectory>[]) => {
        timed$.next(rounds.rewardedRound());
        return closed;
      };
      const stopClock = () => {
        timed$.next(null);
        timed$.complete();
      };
      const byTime$ = timed$.pipe(
        distinctUntilChanged(),
        switchMap((round) => (round === null ? EMPTY : timer(closeAfterMs, scheduler))),
        mergeMap(() => restartClock(rounds.closeNext())),
      );
      const byCount$ = source.pipe(
        mergeMap((outcome) => restartClock(rounds.add(outcome))),
        tap({ complete: stopClock }),
      );
      return merge(byTime$, byCount$);
    });
}
