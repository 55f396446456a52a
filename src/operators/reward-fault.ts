import { TributaryError } from '../errors.js';

/**
 * Returns what is wrong with the rewards of a group, or null: one finite number a branch is right.
 *
 * Errors: none thrown; the returned one has the code TRIB_REWARD.
 */
export function rewardFault(
  groupId: string,
  rewards: ArrayLike<number>,
  numBranches: number,
): TributaryError | null {
  const fault = (expected: string, got: string) =>
    new TributaryError(
      'TRIB_REWARD',
      `scoreRewards group ${groupId}: expected ${expected}, got ${got}. Check the reward model on this prompt.`,
      { groupId },
    );
  if (rewards.length !== numBranches) return fault(`${numBranches} rewards`, `${rewards.length}`);
  const branch = Array.from(rewards).findIndex((reward) => !Number.isFinite(reward));
  return branch === -1 ? null : fault(`a finite reward for branch ${branch}`, `${rewards[branch]}`);
}
