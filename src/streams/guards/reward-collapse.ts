import { type GuardSpec, ofStages } from './guard-spec.js';

/**
 * Reward collapse: the mean reward of a stage lies far below the best one so far.
 *
 *     value(k) = (max over j <= k of rewardMean(j) - rewardMean(k)) / rewardStd(first)
 *
 * `first` is the first stage whose rewards differ at all; until then there is no unit to measure in, and no value. A stage
 * whose groups were all lost has none either.
 */
export const rewardCollapse: GuardSpec = {
  description:
    'Reward collapse: the mean reward of a training stage lies far below the best stage so far. Training has destroyed what it had learned.',
  threshold: {
    default: 1,
    description:
      'Largest fall of the mean reward below its best, in standard deviations of the rewards of the first stage. A stage of few groups swings by more.',
  },
  defaultAction: 'warn',
  quantity: "standard deviations of the first stage's rewards below the best stage",
  nextStep: 'Lower learningRate, or train fewer stages',
  start: () => {
    let best = Number.NEGATIVE_INFINITY;
    let unit: number | null = null;
    return ofStages(({ rewardMean, rewardStd }) => {
      unit ??= rewardStd || null;
      if (rewardMean === null) return null;
      best = Math.max(best, rewardMean);
      return unit === null ? null : (best - rewardMean) / unit;
    });
  },
};
