import {
  combineLatest,
  defaultIfEmpty,
  filter,
  map,
  mergeMap,
  type Observable,
  type OperatorFunction,
  take,
} from 'rxjs';
import { boundedMerge } from './bounded-merge.js';
import { requireCount } from './checks/option-checks.js';
import { readLatest } from './read-latest.js';
import type { LostGroup, RolloutGroup, TrainingInterval } from './records/records.js';

export interface DiscardStaleOptions {
  /** The trainer's policy version. Publish it before the interval of the same round. */
  readonly policyVersion$: Observable<number>;
  /** The interval that is being trained. */
  readonly interval$: Observable<TrainingInterval>;
  /** Policy versions that a group may be old when it is trained on; 0 is the synchronous loop. */
  readonly maxStaleness: number;
  /** Most groups of later rounds that wait for their round, at least 1. `runAhead` is enough. */
  readonly maxHeld: number;
  readonly onLost: (group: LostGroup) => void;
}

/**
 * Passes a group when its policy is at most `maxStaleness` versions old and its interval is the current one; reports
 * the others as lost. A group of a later round waits until that round is current, so that it is judged by the
 * policy that it would train.
 *
 * ```
 * version   0-----1------
 * interval  i-----j------      maxStaleness 0
 * source    -a-b----c-d--|     b belongs to the next round but was sampled by version 0, c by 0, d by 1
 * lost      ------b-c----
 * result    -a--------d--|
 * ```
 *
 *     staleness = current policy version - group.policyVersion
 *
 * Time: emits at once, or when the round of the group begins. Completes when the source has and no group waits; if a
 * broadcast ends first, waiting groups are lost. Errs with the source or a broadcast. Buffers at most `maxHeld` groups.
 * Unsubscribing releases source, broadcasts and the waiting groups. A negative staleness (a run that resumed from an
 * older checkpoint) is stale too.
 *
 * Errors: TRIB_OVERFLOW when one more group would have to wait; TRIB_OPERATOR for a bound that is not a count.
 *
 * Example:
 * ```js
 * const interval = { round: 1, firstStep: 3, numSteps: 4, trainedSteps: [3] };
 * const groupOf = (policyVersion) => ({ groupId: `1-${policyVersion}`, round: 1, interval, policyVersion });
 * const lost = [];
 * const onLost = ({ groupId }) => lost.push(groupId);
 * const newest = { policyVersion$: of(1), interval$: of(interval) };
 * const fresh$ = of(0, 1).pipe(map(groupOf), discardStale({ ...newest, maxStaleness: 0, maxHeld: 1, onLost }));
 * const result$ = fresh$.pipe(map(({ groupId }) => groupId), endWith(lost));
 * // ['1-1', ['1-0']]
 * ```
 */
export function discardStale<Group extends RolloutGroup<unknown>>(
  options: DiscardStaleOptions,
): OperatorFunction<Group, Group> {
  const { policyVersion$, interval$, maxStaleness, maxHeld, onLost } = options;
  requireCount('discardStale', 'maxStaleness', maxStaleness, 0);
  requireCount('discardStale', 'maxHeld', maxHeld, 1);
  return (source) =>
    readLatest(combineLatest([policyVersion$, interval$]), (newest$) =>
      source.pipe(
        boundedMerge({
          operator: 'discardStale',
          concurrency: maxHeld,
          maxQueued: 0,
          boundOption: 'maxHeld',
          project: (group) =>
            newest$.pipe(
              filter(([, interval]) => interval.round >= group.round),
              take(1),
              map(([policyVersion, interval]) => staleness(group, policyVersion, interval, maxStaleness)),
              defaultIfEmpty('its round never began'),
              mergeMap((detail) => {
                if (detail === null) return [group];
                const { groupId, round } = group;
                onLost({ groupId, round, reason: 'stale', detail });
                return [];
              }),
            ),
        }),
      ),
    );
}

/** Why the group is stale, or null. */
function staleness(
  group: RolloutGroup<unknown>,
  policyVersion: number,
  interval: TrainingInterval,
  maxStaleness: number,
): string | null {
  const age = policyVersion - group.policyVersion;
  if (age < 0 || age > maxStaleness) {
    return `sampled by policy version ${group.policyVersion}, the current one is ${policyVersion}, maxStaleness ${maxStaleness}`;
  }
  const [wanted, current] = [group.interval, interval].map(stepsOf);
  return wanted === current ? null : `rolled out for ${wanted}, the current interval is ${current}`;
}

/** `steps 2, 3, 4 of 6` */
function stepsOf({ trainedSteps, numSteps }: TrainingInterval): string {
  return `steps ${trainedSteps.join(', ')} of ${numSteps}`;
}
