import {
  catchError,
  combineLatest,
  defer,
  filter,
  mergeMap,
  type Observable,
  type ObservableInput,
  type OperatorFunction,
  take,
  throwIfEmpty,
} from 'rxjs';
import { at } from '../at.js';
import { TributaryError } from '../errors.js';
import { type BatchOptions, batchTickets } from './batch-tickets.js';
import { stageError } from './checks/faults.js';
import { requireCount } from './checks/option-checks.js';
import { readLatest } from './read-latest.js';
import type { PromptTicket, RolloutGroup, TrainingInterval } from './records/records.js';

export interface BranchRolloutsOptions<Policy, Branch> extends BatchOptions {
  readonly schedule$: Observable<TrainingInterval>;
  readonly policy$: Observable<Policy>;
  /**
   * Whether a batch of this round may start with this interval and policy; until then it waits for newer ones. For
   * the synchronous loop: `(round, interval, policy) => interval.round === round && policy.version === round`.
   * Default: always.
   */
  readonly isReady?: (round: number, interval: TrainingInterval, policy: Policy) => boolean;
  readonly rollout: (
    tickets: readonly PromptTicket[],
    interval: TrainingInterval,
    policy: Policy,
  ) => ObservableInput<readonly RolloutGroup<Branch>[]>;
}

/**
 * Rolls tickets out in batches, one batch at a time, with the newest schedule and policy at the moment the batch starts.
 *
 * ```
 * schedule  i------------
 * policy    p----q-------
 * source    a-b-c-d------|     groupsPerBatch 2
 * [ab],p      --r|
 * [cd],q          --r|
 * result    ----(ab)(cd)-|     each group by itself
 * ```
 *
 * Time: a batch starts when the one before is done and it is full, or is followed by a ticket of another round
 * (a batch never mixes rounds), or `lingerMs` have passed since its first ticket became the oldest waiting, or the
 * source has completed. Emits groups one by one; completes when the source has completed and every ticket is rolled
 * out; errs with the source, a broadcast, or `rollout`. Buffers at most `maxQueued` tickets. Unsubscribing releases the
 * source, both broadcasts, the running rollout and the timer.
 *
 * Errors: TRIB_OVERFLOW when one more ticket would have to wait; TRIB_OPERATOR when a broadcast ends before it emits what
 * a batch needs; an error of `rollout` keeps its code and names the round.
 *
 * Example:
 * ```js
 * const interval = { round: 0, firstStep: 2, numSteps: 4, trainedSteps: [2, 3] };
 * const tree = { firstStep: 2, widths: [1, 2, 2] };
 * const rollout = (tickets, interval, policyVersion) =>
 *   of(tickets.map((ticket) => ({ ...ticket, interval, tree, policyVersion, branches: ['left', 'right'] })));
 * const limits = { groupsPerBatch: 1, lingerMs: null, maxQueued: 1 };
 * const tickets$ = of({ groupId: '0-0', groupIndex: 0, round: 0, prompt: 'a red circle' });
 * const groups$ = tickets$.pipe(branchRollouts({ ...limits, schedule$: of(interval), policy$: of(7), rollout }));
 * const result$ = groups$.pipe(map(({ policyVersion, branches }) => [policyVersion, branches]));
 * // [[7, ['left', 'right']]]
 * ```
 */
export function branchRollouts<Policy, Branch>(
  options: BranchRolloutsOptions<Policy, Branch>,
): OperatorFunction<PromptTicket, RolloutGroup<Branch>> {
  const { schedule$, policy$, groupsPerBatch, lingerMs, maxQueued, isReady = () => true, rollout } = options;
  requireCount('branchRollouts', 'groupsPerBatch', groupsPerBatch, 1);
  requireCount('branchRollouts', 'maxQueued', maxQueued, groupsPerBatch);
  if (lingerMs !== null) requireCount('branchRollouts', 'lingerMs', lingerMs, 0);

  const rollOut = (
    tickets: readonly PromptTicket[],
    newest$: Observable<readonly [TrainingInterval, Policy]>,
  ): Observable<RolloutGroup<Branch>> => {
    const { round } = at(tickets, 0);
    const place = { stage: 'sampler', work: `round ${round}, ${groupsOf(tickets)}` };
    return newest$.pipe(
      filter(([interval, policy]) => isReady(round, interval, policy)),
      take(1),
      throwIfEmpty(() => endedBroadcast(round)),
      mergeMap(([interval, policy]) =>
        defer(() => rollout(tickets, interval, policy)).pipe(
          catchError((error: unknown) => {
            throw stageError(error, place);
          }),
        ),
      ),
      mergeMap((groups) => groups),
    );
  };
  return (source) =>
    readLatest(combineLatest([schedule$, policy$]), (newest$) =>
      source.pipe(batchTickets({ ...options, run: (tickets) => rollOut(tickets, newest$) })),
    );
}

/** `group 3-0`, or `groups 3-0 to 3-31`. */
function groupsOf(tickets: readonly PromptTicket[]): string {
  const [first, last] = [at(tickets, 0).groupId, at(tickets, -1).groupId];
  return first === last ? `group ${first}` : `groups ${first} to ${last}`;
}

function endedBroadcast(round: number): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `branchRollouts, round ${round}: expected its schedule and policy, got the end of both. Keep the broadcasts open while tickets wait.`,
  );
}
