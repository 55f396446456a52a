/** @file DPOK's surrogate: policy gradient with a clamped ratio, and a KL to the pretrained model. */

import { number, oneOf } from '../../fields.js';
import { clipRangeField } from './ddpo-is.js';
import { meanSquaredDistance, stepKl } from './log-prob.js';
import { defineSurrogate, referenceOf } from './surrogate.js';

/**
 * Loss of every row [M]: -α A clamp(ρ, 1 - e, 1 + e) + β KL, with ρ = π/π_old (Fan et al. 2023, equation 9, with the ratio
 * of google-research/dpok).
 *
 * Notation: `rewardWeight` is α, `klWeight` β, `clipRange` e. The clamp is plain, not the maximum of PPO: outside the band
 * the reward's gradient is zero on **both** sides, so only the KL acts on a row that has drifted out. A is not clipped.
 *
 * The KL to the pretrained model is taken at the states that were sampled. How the policy changes which states it reaches is
 * left out, as in the paper:
 *   eps-mse  mean_D (out - out_pre)², what the released code has; a KL only up to the factor W/2 of the step
 *   exact    mean_D (μ - μ_pre)² / (2σ²), the paper's KL, in nats per dimension
 * At 50 DDIM steps W is about 0.2 in most steps and 11 in the last but one, which eps-mse therefore hardly holds back.
 */
export const dpok = defineSurrogate({
  name: 'dpok',
  summary:
    "DPOK's loss, -rewardWeight A clamp(ρ, 1 - clipRange, 1 + clipRange) + klWeight KL to the pretrained model (Fan et al. 2023).",
  fields: {
    rewardWeight: number({ from: '(0', to: 'Infinity)' })
      .default(10)
      .describe(
        'Weight of the reward term. Apart from gradient clipping, only its ratio to klWeight matters.',
      ),
    klWeight: number({ from: '[0', to: 'Infinity)' })
      .default(0.01)
      .describe('Weight of the KL to the pretrained model, which costs a second forward pass; 0 omits both.'),
    kl: oneOf(['eps-mse', 'exact'])
      .default('eps-mse')
      .describe(
        'Form of the KL: eps-mse is the mean squared difference of outputs, as in the released code; exact is the KL of the step in nats per dimension.',
      ),
    clipRange: clipRangeField,
  },
  create: ({ rewardWeight, klWeight, kl, clipRange }) => ({
    trainsOn: 'steps',
    references: klWeight === 0 ? [] : ['pretrained'],
    clipRange,
    loss: (values) => {
      const { policy, oldLogProb, advantage, stdDevT } = values;
      const ratio = policy.logProb.sub(oldLogProb).exp();
      const clamped = ratio.clip(1 - clipRange, 1 + clipRange);
      const loss = advantage.mul(clamped).mul(-rewardWeight);
      if (klWeight === 0) return loss;
      const pretrained = referenceOf(values, 'pretrained');
      const divergence =
        kl === 'exact'
          ? stepKl(policy, pretrained, stdDevT)
          : meanSquaredDistance(policy.modelOutput, pretrained.modelOutput);
      return loss.add(divergence.mul(klWeight));
    },
  }),
});
