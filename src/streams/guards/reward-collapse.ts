import { type GuardSpec, ofRounds } from './guard-spec.js';

/**
 * Reward collapse: the mean reward of a round lies far below the best one so far.
 *
 *     value(k) = (max over j <= k of rewardMean(j) - rewardMean(k)) / rewardStd(first)
 *
 * `first` is the first round whose rewards differ at all; until then there is no unit to measure in, and no value. A round
 * whose groups were all lost has none either.
 */
export const rewardCollapse: GuardSpec = {
  description:
    'Reward collapse: the mean reward of a round lies far below the best round so far. Training has destroyed what it had learned.',
  threshold: {
    default: 1,
    description:
      'Largest fall of the mean reward below its best, in standard deviations of the rewards of the first round. A round of few groups swings by more.',
  },
  defaultAction: 'warn',
  quantity: "standard deviations of the first round's rewards below the best round",
  nextStep: 'Lower learningRate, or train fewer rounds',
  start: () => {
    let best = Number.NEGATIVE_INFINITY;
    let unit: number | null = null;
    return ofRounds(({ rewardMean, rewardStd }) => {
      unit ??= rewardStd || null;
      if (rewardMean === null) return null;
      best = Math.max(best, rewardMean);
      return unit === null ? null : (best - rewardMean) / unit;
    });
  },
};
