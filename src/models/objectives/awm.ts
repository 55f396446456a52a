/** @file AWM's surrogate: PPO's clip, with the denoising error in place of the log-prob. */

import { number, oneOf } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';
import { ddpoIsLoss } from './ddpo-is.js';
import { meanSquaredDistance } from './log-prob.js';
import {
  type DenoisingPolicy,
  type DenoisingValues,
  defineSurrogate,
  referenceOf,
  timestepsPerSampleField,
} from './surrogate.js';

/** The exponent q of the generalized Huber form, and what keeps its slope finite at error 0. */
const HUBER_POWER = 0.25;
const ERROR_FLOOR = 1e-10;

/**
 * Loss of every row [M]: max(-A ρ, -A clip(ρ, 1 - e, 1 + e)) + β mean_D (out - out_pre)², ρ = exp(ℓ - ℓ_old) (Xue et al. 2025,
 * Advantage Weighted Matching; advantage_weighted_matching scripts/train_sd3_awm.py). ℓ stands in for log p(x_0), up to
 * scale. It comes from the error E = mean_D (out - target)² on one noised picture, with the same timestep and noise for both
 * policies:
 *
 *   squared-error  ℓ = -E                                      the paper's, its weight w(t) being 1
 *   ghuber         ℓ = -((E + 1e-10)^q - 1e-10^q) t / q, q = ¼  the default of the released code
 *
 * Notation: `klWeight` is β, and t is `noiseScale`: the time of a flow, as published. For other models t = √(1 - ᾱ_t) is our
 * analogue, as is the whole loss where the output is not a velocity. Before the first update ρ is 1 and the gradient -A ∇ℓ.
 *
 * Departure: the source also pulls the policy toward a moving average of itself; here only the clip holds it.
 */
export const awm = defineSurrogate({
  name: 'awm',
  summary:
    "AWM's loss: PPO's clip on exp(ℓ - ℓ_old), where ℓ is minus the denoising error of a picture with fresh noise. Published for flow matching.",
  fields: {
    likelihood: oneOf(['squared-error', 'ghuber'])
      .default('ghuber')
      .describe(
        'What replaces the log-prob: minus the mean squared error, or minus its fourth root weighted by the noise (generalized Huber), with which pictures that fit badly count less.',
      ),
    clipRange: number({ from: '(0', to: '1]' })
      .default(1)
      .describe(
        'Half-width of the band of ratios that still give a gradient. Errors are not log-probs, so ratios vary more than those of DDPO; the released settings use 1.',
      ),
    advClipMax: number({ from: '(0', to: 'Infinity)' })
      .default(1)
      .describe('Advantages are clipped to this magnitude.'),
    klWeight: number({ from: '[0', to: 'Infinity)' })
      .default(0.003)
      .describe(
        'Weight of the mean squared difference of outputs to the pretrained model, which costs one more forward pass; 0 omits both.',
      ),
    timestepsPerSample: timestepsPerSampleField(6),
  },
  create: (settings) => ({
    trainsOn: 'denoising',
    timestepsPerSample: settings.timestepsPerSample,
    references: settings.klWeight === 0 ? ['old'] : ['old', 'pretrained'],
    // The band lies around a ratio of errors, not around π/π_old.
    clipRange: null,
    loss: (values) => {
      const { policy, advantage } = values;
      const logLikelihood = (of: DenoisingPolicy) => logLikelihoodOf(of, values, settings.likelihood);
      const ratio = logLikelihood(policy)
        .sub(logLikelihood(referenceOf(values, 'old')))
        .exp();
      const loss = ddpoIsLoss({ ratio, advantage }, settings);
      if (settings.klWeight === 0) return loss;
      const pretrained = referenceOf(values, 'pretrained');
      const distance = meanSquaredDistance(policy.modelOutput, pretrained.modelOutput);
      return loss.add(distance.mul(settings.klWeight));
    },
  }),
});

function logLikelihoodOf(
  { modelOutput }: DenoisingPolicy,
  { target, noiseScale }: DenoisingValues,
  likelihood: 'squared-error' | 'ghuber',
): Expression {
  const error = meanSquaredDistance(modelOutput, target);
  if (likelihood === 'squared-error') return error.neg();
  const power = error
    .add(ERROR_FLOOR)
    .pow(HUBER_POWER)
    .sub(ERROR_FLOOR ** HUBER_POWER);
  return power.mul(noiseScale).mul(-1 / HUBER_POWER);
}
