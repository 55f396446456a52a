import { type GuardSpec, ofRounds } from './guard-spec.js';

/**
 * Ratio drift: within a round, the updates move far from the policy that sampled.
 *
 *     value = mean of |ratio - 1| over the trained rows (sample, step) of the round
 *
 * Rows that are trained before the first update have a ratio of 1 up to rounding, and count like the others. 0 where the
 * loss has no ratio.
 */
export const ratioDrift: GuardSpec = {
  description:
    'Ratio drift: within a round, the updates move far from the policy that sampled, so that the samples say little about the policy that is trained.',
  threshold: {
    default: 0.05,
    description: 'Largest mean of |ratio - 1| over the trained samples and steps of a round, without unit.',
  },
  defaultAction: 'warn',
  quantity: 'for the mean of |ratio - 1|',
  nextStep: 'Lower learningRate or innerEpochs, or sample more often',
  start: () => ofRounds(({ meanRatioDeviation }) => meanRatioDeviation),
};
