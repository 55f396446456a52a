/** @file DiffusionNFT's surrogate: toward good pictures and away from bad ones, by mixing the policy with the old one. */

import { number } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';
import { meanSquaredDistance } from './log-prob.js';
import { defineSurrogate, referenceOf, timestepsPerSampleField } from './surrogate.js';

/** Smallest mean distance that a term is divided by. */
const DISTANCE_FLOOR = 1e-5;

/**
 * Loss of every row [M] (Zheng et al. 2025, DiffusionNFT, with the scales of its released training script):
 *
 *   (c/β) (r d(x̂⁺) + (1 - r) d(x̂⁻)) + κ mean_D (out - out_pre)²,  r = clip(A/c, -1, 1)/2 + ½
 *   x̂⁺ = (1 - β) x̂_old + β x̂,  x̂⁻ = (1 + β) x̂_old - β x̂,  d(x̂) = mean_D (x̂ - x_0)² / max(mean_D |x̂ - x_0|, 1e-5)
 *
 * Notation: `mixtureBeta` is β, `advClipMax` c, `klWeight` κ; x̂ is the policy's prediction of x_0. The divisor of d is a
 * constant: no gradient flows through it. At r = ½ with the policy equal to `old` the gradient is 0.
 *
 * The paper mixes velocities of a flow. x̂ is affine in the output, and the weights of each mixture add up to 1, so mixing x̂
 * is the same.
 *
 * Departure: for models that predict ε, v or x_0 the same identity holds, but the loss is our own analogue, which nobody has
 * published, and κ weighs outputs of another kind. `old` is the newest policy that samples; in the paper it is a moving average.
 *
 * A picture that an earlier policy drew may be trained on: in the first step after a round the policy is `old`, both mixtures
 * are its own prediction, and the gradient, (2r - 1) c ∇ d(x̂), is the same whoever drew the picture.
 */
export const diffusionNft = defineSurrogate({
  name: 'diffusion-nft',
  summary:
    "DiffusionNFT's loss: r |x̂⁺ - x_0|² + (1 - r) |x̂⁻ - x_0|² on pictures with fresh noise, r in [0, 1] from the advantage. Published for flow matching.",
  fields: {
    mixtureBeta: number({ from: '(0', to: '1]' })
      .default(1)
      .describe(
        'Share β of the policy in the mixture with the policy that sampled; 1 makes the good mixture the policy itself.',
      ),
    advClipMax: number({ from: '(0', to: 'Infinity)' })
      .default(5)
      .describe(
        'A picture with this advantage counts as entirely good, one with its negative as entirely bad.',
      ),
    klWeight: number({ from: '[0', to: 'Infinity)' })
      .default(1e-4)
      .describe(
        'Weight of the mean squared difference of outputs to the pretrained model, which costs one more forward pass; 0 omits both.',
      ),
    timestepsPerSample: timestepsPerSampleField(6),
  },
  create: ({ mixtureBeta, advClipMax, klWeight, timestepsPerSample }) => ({
    trainsOn: 'denoising',
    allowsStale: true,
    timestepsPerSample,
    references: klWeight === 0 ? ['old'] : ['old', 'pretrained'],
    clipRange: null,
    loss: (values) => {
      const { policy, advantage, cleanLatents } = values;
      const old = referenceOf(values, 'old').cleanPrediction;
      const step = policy.cleanPrediction.sub(old).mul(mixtureBeta);
      const toward = selfNormalizedDistance(old.add(step), cleanLatents);
      const away = selfNormalizedDistance(old.sub(step), cleanLatents);
      const good = advantage
        .clip(-advClipMax, advClipMax)
        .mul(0.5 / advClipMax)
        .add(0.5);
      const bad = good.subtractFrom(1);
      const loss = good
        .mul(toward)
        .add(bad.mul(away))
        .mul(advClipMax / mixtureBeta);
      if (klWeight === 0) return loss;
      const pretrained = referenceOf(values, 'pretrained');
      const distance = meanSquaredDistance(policy.modelOutput, pretrained.modelOutput);
      return loss.add(distance.mul(klWeight));
    },
  }),
});

/** d(x̂) of every row. */
function selfNormalizedDistance(prediction: Expression, cleanLatents: Expression): Expression {
  const axes = cleanLatents.shape.slice(1).map((_, axis) => axis + 1);
  const distance = prediction.sub(cleanLatents).abs().reduceMean(axes, false);
  const divisor = distance.clip(DISTANCE_FLOOR).stopGradient();
  return meanSquaredDistance(prediction, cleanLatents).div(divisor);
}
