import { at } from '../../../at.js';
import { ballotOf } from '../../../operators/index.js';
import type { VoteLine } from './desk.js';
import type { GroupRecord } from './group-record.js';

/** A line of `pairs.jsonl`: of two pictures of a group, the one that a person prefers. */
export interface PreferencePair {
  readonly prompt: string;
  readonly groupId: string;
  /** Index of the picture in its group, which is that of its branch. */
  readonly chosen: number;
  readonly rejected: number;
  /** Rounds that the policy had finished which drew both; where two policies drew the group, the older one. */
  readonly policyVersion: number;
  readonly voter: string;
}

/**
 * Returns the pairs that a vote says: the best picture before every other, a higher rank or rating before each lower one. None of
 * a vote that prefers no picture.
 */
export function pairsOf({ judgment, voter }: VoteLine, group: GroupRecord): PreferencePair[] {
  const ratings = 'skip' in judgment ? null : ballotOf(judgment, group.pictures);
  if (ratings === null) return [];
  const { prompt, id: groupId, policyVersion } = group;
  return ratings.flatMap((own, chosen) =>
    ratings.flatMap((_, rejected) =>
      own > at(ratings, rejected) ? [{ prompt, groupId, chosen, rejected, policyVersion, voter }] : [],
    ),
  );
}
