import {
  defaultIfEmpty,
  defer,
  map,
  NEVER,
  type Observable,
  type ObservableInput,
  type OperatorFunction,
  take,
  takeUntil,
} from 'rxjs';
import { type DeadLetterOptions, deadLetter } from './dead-letter.js';
import type { GroupRewards, RolloutGroup } from './records/records.js';
import { LARGEST_MAGNITUDE, rewardFault } from './records/reward-fault.js';

/** What scoring reads of a group; its branches are the images. */
export type ScorableGroup = Pick<RolloutGroup<unknown>, 'groupId' | 'round' | 'branches'>;

export interface ScoreRewardsOptions<Group extends ScorableGroup>
  extends Omit<DeadLetterOptions<Group, GroupRewards>, 'stage' | 'groupIdOf' | 'project'> {
  /** The rewards of a group, one per branch, in branch order; only the first value counts. */
  readonly score: (group: Group) => ObservableInput<ArrayLike<number>>;
  /** Largest magnitude of a reward, above 0. Default 1e15. */
  readonly maxMagnitude?: number;
  /**
   * Emits when rewards of the group are no longer wanted, because its round is closed: the group is then dropped,
   * whether it waits or is being scored. Default: never.
   */
  readonly over$?: (group: Group) => Observable<unknown>;
}

/**
 * Scores the branches of each group. A group whose scoring throws, or gives a reward that is not finite or beyond
 * `maxMagnitude`, or a wrong number of rewards, goes to the dead letters and is never trained on; the stream goes on.
 *
 * ```
 * source   a----b---c---|
 * a        -(r|)
 * b             -(n|)          n holds NaN
 * c                 -(s|)
 * letters  ------b-------
 * result   -r--------s--|
 * ```
 *
 * Time: emits when a group is scored; with `concurrency` above 1 the order may differ from the source's. Completes
 * when the source and all scoring have; errs with the source or an overflow. Retries, bounds and release as `deadLetter`.
 * A group that is no longer wanted leaves without rewards or a letter, and frees its place.
 *
 * Errors: TRIB_REWARD in the letter of a wrong reward; TRIB_OVERFLOW, TRIB_OPERATOR as `boundedMerge`.
 *
 * Example:
 * ```js
 * const score = ({ branches }) => of(branches.map(({ length }) => length));
 * const group = { groupId: '0-0', round: 0, branches: ['a', 'bcd'] };
 * const result$ = of(group).pipe(
 *   scoreRewards({ score, concurrency: 1, maxQueued: 0, deadLetters: () => {} }),
 *   map(({ rewards }) => rewards),
 * );
 * // [[1, 3]]
 * ```
 */
export function scoreRewards<Group extends ScorableGroup>(
  options: ScoreRewardsOptions<Group>,
): OperatorFunction<Group, GroupRewards> {
  const { score, maxMagnitude = LARGEST_MAGNITUDE, over$ = () => NEVER, ...limits } = options;
  return deadLetter({
    ...limits,
    stage: 'reward',
    groupIdOf: (group) => group.groupId,
    project: (group) =>
      defer(() => score(group)).pipe(
        take(1),
        defaultIfEmpty<ArrayLike<number>, ArrayLike<number>>([]),
        map((rewards) => {
          const { groupId, round } = group;
          const fault = rewardFault(groupId, rewards, group.branches.length, maxMagnitude);
          if (fault) throw fault;
          return { groupId, round, rewards: Array.from(rewards) };
        }),
        takeUntil(over$(group)),
      ),
  });
}
