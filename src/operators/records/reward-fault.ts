import { TributaryError } from '../../errors.js';

/**
 * The largest bound on the magnitude of a reward that can be asked for, and the default. The square of a reward this large,
 * 1e30, times a hundred million is still a float32, so neither losses nor variances over a round leave their type.
 */
export const LARGEST_MAGNITUDE = 1e15;

/** Whether a number can be trained on: finite, and of a magnitude of at most the bound. */
export function isReward(value: number, maxMagnitude: number): boolean {
  return Math.abs(value) <= maxMagnitude;
}

/**
 * Returns what is wrong with the rewards of a group, or null: one finite number a branch, of a magnitude of at most
 * `maxMagnitude`, is right.
 *
 * Errors: none thrown; the returned one has the code TRIB_REWARD.
 */
export function rewardFault(
  groupId: string,
  rewards: ArrayLike<number>,
  numBranches: number,
  maxMagnitude: number,
): TributaryError | null {
  const fault = (expected: string, got: string, nextStep = 'Check the reward model on this prompt.') =>
    new TributaryError(
      'TRIB_REWARD',
      `scoreRewards group ${groupId}: expected ${expected}, got ${got}. ${nextStep}`,
      { groupId },
    );
  if (rewards.length !== numBranches) return fault(`${numBranches} rewards`, `${rewards.length}`);
  const branch = Array.from(rewards).findIndex((reward) => !isReward(reward, maxMagnitude));
  if (branch === -1) return null;
  const reward = rewards[branch] ?? Number.NaN;
  return Number.isFinite(reward)
    ? fault(
        `a reward from -${maxMagnitude.toExponential()} to ${maxMagnitude.toExponential()} for branch ${branch}`,
        `${reward}`,
        'Scale the rewards down, or correct the reward model; the bound is maxMagnitude of scoreRewards.',
      )
    : fault(`a finite reward for branch ${branch}`, `${reward}`);
}
