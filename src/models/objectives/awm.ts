/** @file AWM's surrogate: PPO's clip, with the denoising error in place of the log-prob. */

import { number, oneOf } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';
import { ddpoIsLoss } from './ddpo-is.js';
import { meanSquaredDistance } from './log-prob.js';
import { penalizedLoss } from './penalized-loss.js';
import { requireReference } from './reference-policies.js';
import type { DenoisingPolicy, DenoisingValues } from './surrogate.js';
import { defineSurrogate } from './surrogate.js';
import { timestepsPerSampleField } from './timesteps-per-sample.js';

/** Exponent q of the generalized Huber form, and what keeps its slope finite at error 0. */
const HUBER_POWER = 0.25;
const ERROR_FLOOR = 1e-10;

type Likelihood = 'squared-error' | 'ghuber';

/**
 * Loss of every row [M]: max(-A ρ, -A clip(ρ, 1 - e, 1 + e)) + β mean_D (out - out_pre)², ρ = exp(ℓ - ℓ_old) (Xue et al. 2025,
 * Advantage Weighted Matching; advantage_weighted_matching scripts/train_sd3_awm.py). ℓ stands for log p(x_0), up to scale, by
 * the error E = mean_D (out - target)² at one noised picture, the same timestep and noise for both policies:
 *
 *   squared-error  ℓ = -E                                      the paper's, its weight w(t) being 1
 *   ghuber         ℓ = -((E + 1e-10)^q - 1e-10^q) t / q, q = ¼  the default of the released code
 *
 * Notation: t is `noiseScale`. For a flow that is its time, as published; for other models √(1 - ᾱ_t), which is our analogue,
 * as is everything here where the output is not a velocity. `klWeight` is β. Before the first update ρ is 1 and the
 * gradient -A ∇ℓ.
 *
 * Departure: the source also holds the policy to a moving average of itself; here the clip alone does.
 */
export const awm = defineSurrogate({
  name: 'awm',
  summary:
    "AWM's loss: PPO's clip on exp(ℓ - ℓ_old), ℓ minus the denoising error of a picture noised anew. Published for flows.",
  fields: {
    likelihood: oneOf(['squared-error', 'ghuber'])
      .default('ghuber')
      .describe(
        'What stands for the log-prob: minus the mean squared error, or a fourth root of it that is weighted by the noise (generalized Huber), which lets pictures that fit badly count less.',
      ),
    clipRange: number({ from: '(0', to: '1]' })
      .default(1)
      .describe(
        'Half-width of the band of ratios that still give a gradient. Errors are not log-probs, so ratios are wider than those of DDPO; the released settings have 1.',
      ),
    advClipMax: number({ from: '(0', to: 'Infinity)' })
      .default(1)
      .describe('Advantages are clipped to this magnitude.'),
    klWeight: number({ from: '[0', to: 'Infinity)' })
      .default(0.003)
      .describe(
        'Weight of the mean squared difference of outputs to the pretrained model, which costs one more forward pass. 0 leaves both out.',
      ),
    timestepsPerSample: timestepsPerSampleField(6),
  },
  create: (settings) => ({
    trainsOn: 'denoising',
    timestepsPerSample: settings.timestepsPerSample,
    references: settings.klWeight === 0 ? ['old'] : ['old', 'pretrained'],
    // Its band lies around a ratio of errors, not around the ratio of log-probs.
    clipRange: null,
    loss: (values) => {
      const { policy, advantage } = values;
      const old = requireReference(values, 'old', 'awm');
      const logLikelihood = (of: DenoisingPolicy) => logLikelihoodOf(of, values, settings.likelihood);
      const ratio = logLikelihood(policy).sub(logLikelihood(old)).exp();
      return penalizedLoss(ddpoIsLoss({ ratio, advantage }, settings), settings.klWeight, () =>
        meanSquaredDistance(policy.modelOutput, requireReference(values, 'pretrained', 'awm').modelOutput),
      );
    },
  }),
});

function logLikelihoodOf(
  { modelOutput }: DenoisingPolicy,
  { target, noiseScale }: DenoisingValues,
  likelihood: Likelihood,
): Expression {
  const error = meanSquaredDistance(modelOutput, target);
  if (likelihood === 'squared-error') return error.neg();
  const power = error.add(ERROR_FLOOR).pow(HUBER_POWER);
  const rooted = power.sub(ERROR_FLOOR ** HUBER_POWER);
  return rooted.mul(noiseScale).mul(-1 / HUBER_POWER);
}
