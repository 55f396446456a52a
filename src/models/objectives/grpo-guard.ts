/** @file GRPO-Guard's surrogate: a ratio that is centered and equally wide at every step, so that the clip binds evenly. */

import { number } from '../../fields.js';
import { advClipMaxField, ddpoIsLoss } from './ddpo-is.js';
import { stepKl } from './log-prob.js';
import { defineSurrogate, referenceOf } from './surrogate.js';

/**
 * Loss of every row [M]: max(-A ρ̃, -A clip(ρ̃, 1 - e, 1 + e)) / |k|, with the corrected ratio
 *
 *   ρ̃ = exp((log π - log π_old + mean_D (μ - μ_old)² / (2σ²)) σ) = exp(mean_D n (μ - μ_old)),  x_{i+1} = μ_old + σ n
 *
 * (Wang et al. 2025, GRPO-Guard, and its code in Flow-GRPO). The log-ratio of a Gaussian step lies below 0 by the KL, which is
 * added back; its spread grows as 1/σ, which the factor σ undoes. `old` is computed beside the policy, so ρ̃ is 1 before the
 * first update whatever the sampler recorded.
 *
 * Notation: σ is the standard deviation of the whole step (g √|dt| for a flow), k the slope of μ in the network's output.
 *
 * Departure: the source divides the loss by |dt|, which DDIM does not have. Here it is divided by |k|, the factor that this
 * division is meant to undo: dρ̃/dout = ρ̃ n k / D, so every step's gradient is -A ρ̃ n sign(k) / D. With Flow-GRPO's noise
 * g = a √(σ_t / (1 - σ_t)), k = (1 + a²/2) dt, so both divisions agree up to the constant 1 + a²/2 (1.245 at a = 0.7).
 * Dividing by σ² = g²|dt| would agree only where g is constant, and the last DDIM steps, whose σ is small, would drown out all
 * others.
 */
export const grpoGuard = defineSurrogate({
  name: 'grpo-guard',
  summary:
    "GRPO-Guard's loss: PPO's clip on a ratio that is centered and equally spread at every step, with all gradients on the same scale.",
  fields: {
    clipRange: number({ from: '(0', to: '1)' })
      .default(2e-6)
      .describe(
        'Half-width of the band of corrected ratios that still give a gradient, far narrower than that of DDPO, as the correction narrows ratios.',
      ),
    advClipMax: advClipMaxField,
  },
  create: (settings) => ({
    trainsOn: 'steps',
    references: ['old'],
    // The band lies around the corrected ratio, not around π/π_old.
    clipRange: null,
    loss: (values) => {
      const { policy, advantage, stdDevT, outputCoefficient } = values;
      const old = referenceOf(values, 'old');
      const logRatio = policy.logProb.sub(old.logProb);
      const centered = logRatio.add(stepKl(policy, old, stdDevT));
      const ratio = centered.mul(stdDevT).exp();
      return ddpoIsLoss({ ratio, advantage }, settings).div(outputCoefficient.abs());
    },
  }),
});
