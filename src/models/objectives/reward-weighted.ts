/** @file Reward-weighted regression: the denoising loss, in which better pictures weigh more. */

import { number, oneOf } from '../../fields.js';
import { meanSquaredDistance } from './log-prob.js';
import { defineSurrogate, timestepsPerSampleField } from './surrogate.js';

/**
 * exp(b A) / Z of every sample, with Z the mean of exp(b A) over them. The weights have mean 1, and adding one number to all
 * advantages changes nothing.
 */
export function exponentialWeights(advantages: readonly number[], inverseTemperature: number): number[] {
  // The largest exponent is 0, so nothing overflows; the factor cancels with Z.
  const largest = Math.max(...advantages);
  const weights = advantages.map((advantage) => Math.exp(inverseTemperature * (advantage - largest)));
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  return weights.map((weight) => weight / mean);
}

/** 1 for the best tenth of the samples, rounded up and with ties, and 0 for the others. */
export function bestTenthWeights(advantages: readonly number[]): number[] {
  const descending = [...advantages].sort((left, right) => right - left);
  const threshold = descending[Math.ceil(advantages.length / 10) - 1]!;
  return advantages.map((advantage) => (advantage >= threshold ? 1 : 0));
}

/**
 * Loss of every row [M]: w mean_D (out - target)², the simple denoising loss (Ho et al. 2020) with a weight per sample
 * (Black et al. 2023, RWR, after Lee et al. 2023), over the samples of an update:
 *
 *   exponential  w = exp(b A) / Z, Z the mean of exp(b A)
 *   threshold    w = 1 where A is at or above the 90th percentile, else 0
 *
 * Notation: `inverseTemperature` is b (β in the paper). The advantage is the standardized reward. No ratio and no clip: the
 * denoising loss bounds the log-prob of the trajectory only loosely, which is why DDPO wins in the paper.
 *
 * Departure: the paper takes Z and the percentile over the samples of a round; here it is those of an update.
 */
export const rewardWeighted = defineSurrogate({
  name: 'reward-weighted',
  summary:
    "Reward-weighted regression, DDPO's baseline: w mean (out - target)² on pictures with fresh noise, w exponential in the advantage or 1 for the best tenth.",
  fields: {
    weighting: oneOf(['exponential', 'threshold'])
      .default('exponential')
      .describe(
        'Weight of a sample: exponential in its advantage, with mean 1 over an update; or threshold, 1 for the best tenth of an update and 0 for the rest.',
      ),
    inverseTemperature: number({ from: '(0', to: 'Infinity)' })
      .default(0.2)
      .describe(
        'Factor of the advantage in the exponential weight: larger values favor the best samples more. Ignored by threshold.',
      ),
    timestepsPerSample: timestepsPerSampleField(1),
  },
  create: ({ weighting, inverseTemperature, timestepsPerSample }) => ({
    trainsOn: 'denoising',
    timestepsPerSample,
    references: [],
    clipRange: null,
    transformAdvantages: (advantages) =>
      weighting === 'exponential'
        ? exponentialWeights(advantages, inverseTemperature)
        : bestTenthWeights(advantages),
    loss: ({ policy, target, advantage }) => advantage.mul(meanSquaredDistance(policy.modelOutput, target)),
  }),
});
