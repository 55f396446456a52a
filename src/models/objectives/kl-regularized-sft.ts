/** @file Reward-weighted supervised fine-tuning with a KL, DPOK's baseline. */

import { number, oneOf } from '../../fields.js';
import { meanSquaredDistance } from './log-prob.js';
import { defineSurrogate, referenceOf, timestepsPerSampleField } from './surrogate.js';

/**
 * Loss of every row [M] (Fan et al. 2023, DPOK, supervised learning with KL regularization):
 *
 *   kl-d  max(A + γ, 0) mean_D (out - target)²                         the KL shifts the weight of the data
 *   kl-o  A mean_D (x_0 - x̂)² + γ mean_D (x̂_pre - x̂)²                 the KL holds the output
 *
 * Notation: A is the standardized reward, x̂ the policy's prediction of x_0, x̂_pre that of the pretrained model. According
 * to the paper, kl-d does not train without the bound at 0. kl-o has no bound: where A < -γ, it pushes the policy away without
 * limit.
 *
 * Departure: both stand in for log-probs, without a factor per timestep. kl-d takes the simple denoising loss, measured in the
 * network's output; kl-o is measured in x_0, as in the paper, without its 1/(2σ_t²). For a model that predicts ε, a timestep
 * weighs (1 - ᾱ_t)/ᾱ_t times as much in kl-o as in kl-d. The paper trains on samples of the pretrained model, this on samples
 * of the policy.
 */
export const klRegularizedSft = defineSurrogate({
  name: 'sft',
  summary:
    "Supervised fine-tuning weighted by the standardized reward, with a KL term, from DPOK's comparison: kl-d, max(A + gamma, 0) mean (out - target)²; or kl-o, A mean (x_0 - x̂)² + gamma mean (x̂_pre - x̂)².",
  fields: {
    form: oneOf(['kl-d', 'kl-o'])
      .default('kl-d')
      .describe(
        'Form of the KL: kl-d adds gamma to the weight of every sample; kl-o keeps the prediction close to that of the pretrained model, which costs one more forward pass.',
      ),
    gamma: number({ from: '[0', to: 'Infinity)' })
      .default(2)
      .describe('Weight of the KL, on the scale of the standardized reward.'),
    timestepsPerSample: timestepsPerSampleField(1),
  },
  create: ({ form, gamma, timestepsPerSample }) => ({
    trainsOn: 'denoising',
    timestepsPerSample,
    references: form === 'kl-o' && gamma > 0 ? ['pretrained'] : [],
    clipRange: null,
    loss: (values) => {
      const { policy, advantage, target, cleanLatents } = values;
      if (form === 'kl-d') {
        const weight = advantage.add(gamma).relu();
        return weight.mul(meanSquaredDistance(policy.modelOutput, target));
      }
      const loss = advantage.mul(meanSquaredDistance(cleanLatents, policy.cleanPrediction));
      if (gamma === 0) return loss;
      const pretrained = referenceOf(values, 'pretrained');
      return loss.add(meanSquaredDistance(pretrained.cleanPrediction, policy.cleanPrediction).mul(gamma));
    },
  }),
});
