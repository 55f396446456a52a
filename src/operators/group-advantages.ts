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
import { type AdvantageHistory, createHistory } from './advantages/advantage-history.js';
import type { AdvantageRule } from './advantages/advantage-rule.js';
import { requireCount } from './checks/require-count.js';
import { createOpenStages } from './open-stages.js';
import type { LostGroup, RewardedGroup } from './records/records.js';
import type { ClosedStage } from './stage-batch.js';

export interface GroupAdvantagesOptions {
  readonly rule: AdvantageRule;
  /** Outcomes, rewarded or lost, that close a stage; at least 1. */
  readonly groupsPerStage: number;
  /** Stages that may be open at once, at least 1; 1 + ⌈runAhead / groupsPerStage⌉ is enough. */
  readonly maxOpenStages: number;
  /** The first training stage to close (a resumed run). Default 0. */
  readonly firstTrainingStage?: number;
  /** The history before that stage. Default: that of a new run. */
  readonly initialState?: AdvantageHistory;
  /**
   * Milliseconds, at least 1, after which a stage closes with the outcomes that are there; its clock starts when it is the
   * next one to close and has a rewarded group. Default: it closes by count alone.
   */
  readonly closeAfterMs?: number | undefined;
  /** Times `closeAfterMs`. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Gathers the outcomes of each training stage and turns them into one batch of samples with advantages.
 *
 * ```
 * source  a-c-b---d--|     groupsPerStage 2; a, b of stage 0; c, d of stage 1
 * result  ----x---y--|     x from ab, y from cd
 *
 * source  -a----b--c---|   closeAfterMs 4
 * result  -----x------y|   x from a alone; b is late and dropped; y from c
 * ```
 *
 * Time: emits a stage when its `groupsPerStage` outcomes are in and all earlier stages are out, so stages leave in order
 * and each sees the history of those before it. With `closeAfterMs` it does not wait longer than that for outcomes, once
 * it has a rewarded group and all earlier stages are out; those that are missing are counted as late. A stage with
 * nothing rewarded waits for its count. Completes with the source; a stage that is then incomplete is not emitted (its
 * groups come again after a resume). Errs with the source or the rule. Buffers the groups of at most `maxOpenStages`
 * stages. A second outcome of a group, and any outcome of a stage that is out, is dropped. Unsubscribing releases the
 * source and the timer. Without `closeAfterMs` the result does not depend on the order of arrival.
 *
 * Errors: TRIB_OVERFLOW when one more stage would open; TRIB_OPERATOR when a stage has more groups than it should, or
 * groups of one stage have different intervals.
 */
export function groupAdvantages<Trajectory>(
  options: GroupAdvantagesOptions,
): OperatorFunction<RewardedGroup<Trajectory> | LostGroup, ClosedStage<Trajectory>> {
  const { groupsPerStage, maxOpenStages, closeAfterMs, scheduler = asyncScheduler } = options;
  const { firstTrainingStage = 0, initialState = createHistory() } = options;
  requireCount('groupAdvantages', 'groupsPerStage', groupsPerStage, 1);
  requireCount('groupAdvantages', 'maxOpenStages', maxOpenStages, 1);
  requireCount('groupAdvantages', 'firstTrainingStage', firstTrainingStage, 0);
  if (closeAfterMs !== undefined) requireCount('groupAdvantages', 'closeAfterMs', closeAfterMs, 1);
  return (source) =>
    defer(() => {
      const stages = createOpenStages<Trajectory>({ ...options, firstTrainingStage, initialState });
      if (closeAfterMs === undefined) return source.pipe(mergeMap((outcome) => stages.add(outcome)));
      /** The stage whose clock runs, or null. */
      const timed$ = new Subject<number | null>();
      const restartClock = (closed: ClosedStage<Trajectory>[]) => {
        timed$.next(stages.rewardedStage());
        return closed;
      };
      const stopClock = () => {
        timed$.next(null);
        timed$.complete();
      };
      const byTime$ = timed$.pipe(
        distinctUntilChanged(),
        switchMap((trainingStage) => (trainingStage === null ? EMPTY : timer(closeAfterMs, scheduler))),
        mergeMap(() => restartClock(stages.closeNext())),
      );
      const byCount$ = source.pipe(
        mergeMap((outcome) => restartClock(stages.add(outcome))),
        tap({ complete: stopClock }),
      );
      return merge(byTime$, byCount$);
    });
}
