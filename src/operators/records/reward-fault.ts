import { TributaryError } from '../../errors.js';
import type { PartRewards } from './records.js';

/**
 * The largest bound on the magnitude of a reward, and the default. The square of such a reward, 1e30, times a hundred
 * million still fits a float32, so losses and variances over a round do not overflow.
 */
export const LARGEST_MAGNITUDE = 1e15;

/** Whether a reward is finite and within the bound. */
export function isReward(value: number, maxMagnitude: number): boolean {
  return Math.abs(value) <= maxMagnitude;
}

/** Returns a TRIB_REWARD unless a group has one finite reward per branch, of magnitude at most `maxMagnitude`; else null. */
export function rewardFault(
  groupId: string,
  rewards: ArrayLike<number>,
  numBranches: number,
  maxMagnitude: number,
  parts?: readonly PartRewards[],
): TributaryError | null {
  const fault = (expected: string, got: string, nextStep = 'Check the reward model on this prompt.') =>
    new TributaryError(
      'TRIB_REWARD',
      `reward of group ${groupId}: expected ${expected}, got ${got}. ${nextStep}`,
      { groupId },
    );
  if (rewards.length !== numBranches) return fault(`${numBranches} rewards`, `${rewards.length}`);
  const branch = Array.from(rewards).findIndex((reward) => !isReward(reward, maxMagnitude));
  if (branch === -1) return null;
  const reward = Number(rewards[branch]);
  return Number.isFinite(reward)
    ? fault(
        `a reward from -${maxMagnitude.toExponential()} to ${maxMagnitude.toExponential()} for branch ${branch}`,
        `${reward}`,
        parts
          ? `It is combined from ${parts.map(({ name, weight }) => `"${name}" x ${weight}`).join(', ')}: lower the weights, or scale the rewards down.`
          : 'Scale the rewards down, or correct the reward model; the bound is maxMagnitude of the reward stage.',
      )
    : fault(`a finite reward for branch ${branch}`, `${reward}`);
}
