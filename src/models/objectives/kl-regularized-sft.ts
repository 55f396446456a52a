/** @file Reward-weighted supervised fine-tuning with a KL, the method that DPOK is compared with. */

import { number, oneOf } from '../../fields.js';
import { meanSquaredDistance } from './log-prob.js';
import { penalizedLoss } from './penalized-loss.js';
import { requireReference } from './reference-policies.js';
import { defineSurrogate } from './surrogate.js';
import { timestepsPerSampleField } from './timesteps-per-sample.js';

/**
 * Loss of every row [M] (Fan et al. 2023, DPOK, supervised learning with KL regularization):
 *
 *   kl-d  max(A + γ, 0) mean_D (out - target)²                         the KL shifts the weight of the data
 *   kl-o  A mean_D (x_0 - x̂)² + γ mean_D (x̂_pre - x̂)²                 the KL holds the output
 *
 * Notation: A is the standardized reward, x̂ the policy's prediction of x_0, x̂_pre that of the pretrained model. Without the
 * bound at 0 training by kl-d fails, says the paper; kl-o has none, and where A < -γ it pushes the policy away without limit.
 *
 * Departure: both stand for log-probs up to a factor per timestep that is left out. kl-d takes the simple denoising loss,
 * measured in the network's output; kl-o is measured in x_0, as in the paper, without its 1/(2σ_t²). For a model that predicts ε
 * the second is (1 - ᾱ_t)/ᾱ_t times as heavy at a timestep as the first. The paper trains on samples of the pretrained
 * model; what is trained on here is what the policy sampled.
 */
export const klRegularizedSft = defineSurrogate({
  name: 'sft',
  summary:
    "Supervised fine-tuning weighted by the standardized reward, with a KL as in DPOK's comparison: kl-d, max(A + gamma, 0) mean (out - target)²; or kl-o, A mean (x_0 - x̂)² + gamma mean (x̂_pre - x̂)².",
  fields: {
    form: oneOf(['kl-d', 'kl-o'])
      .default('kl-d')
      .describe(
        'Where the KL acts: kl-d adds gamma to the weight of every sample; kl-o holds the prediction to that of the pretrained model, which costs one more forward pass.',
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
      const weighted = advantage.mul(meanSquaredDistance(cleanLatents, policy.cleanPrediction));
      return penalizedLoss(weighted, gamma, () =>
        meanSquaredDistance(
          requireReference(values, 'pretrained', 'sft').cleanPrediction,
          policy.cleanPrediction,
        ),
      );
    },
  }),
});
