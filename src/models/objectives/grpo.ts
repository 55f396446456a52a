/** @file Flow-GRPO's surrogate: PPO's clip, and a KL to the pretrained model. */

import { number, oneOf } from '../../fields.js';
import { advClipMaxField, clipRangeField, ddpoIsLoss } from './ddpo-is.js';
import { meanSquaredDistance, stepKl } from './log-prob.js';
import { defineSurrogate, referenceOf } from './surrogate.js';

/**
 * Loss of every row [M]: max(-A ρ, -A clip(ρ, 1 - e, 1 + e)) + β K (Liu et al. 2025, Flow-GRPO), where K is
 *
 *   exact     mean_D (μ - μ_pre)² / (2σ²), the KL of the step
 *   velocity  mean_D (out - out_pre)², which weighs all steps alike (`kl_type: v-based` of Flow-Factory)
 *
 * The first term is that of DDPO-IS; what makes it GRPO is the advantage, which compares the samples of one prompt.
 *
 * Notation: `klWeight` is β, σ the standard deviation of the whole step: g √|dt| for a flow.
 *
 * Departure: the released code divides by 2g², without |dt|, which is |dt| times this KL. Its β = 0.04 is therefore about
 * 0.004 here at its ten training steps, where |dt| is 0.1 on average. For a sampler without dt only the KL is defined.
 */
export const grpo = defineSurrogate({
  name: 'grpo',
  summary:
    "Flow-GRPO's loss: DDPO-IS's clipped ratio + klWeight times the exact KL of the step to the pretrained model, in nats per dimension.",
  fields: {
    clipRange: clipRangeField,
    advClipMax: advClipMaxField,
    klWeight: number({ from: '[0', to: 'Infinity)' })
      .default(0.004)
      .describe(
        "Weight of the KL to the pretrained model, which costs a second forward pass; 0 omits both. 0.004 at ten steps is about Flow-GRPO's 0.04, as its code leaves |dt| out of the KL.",
      ),
    kl: oneOf(['exact', 'velocity'])
      .optional()
      .describe(
        'What klWeight weighs: the `exact` KL of the step, the default, or the mean squared difference of the outputs, as programs for flows have it under the name of `velocity` KL, which weighs all steps alike.',
      ),
  },
  create: ({ kl = 'exact', ...settings }) => ({
    trainsOn: 'steps',
    references: settings.klWeight === 0 ? [] : ['pretrained'],
    clipRange: settings.clipRange,
    loss: (values) => {
      const { policy, oldLogProb, advantage, stdDevT } = values;
      const ratio = policy.logProb.sub(oldLogProb).exp();
      const loss = ddpoIsLoss({ ratio, advantage }, settings);
      if (settings.klWeight === 0) return loss;
      const pretrained = referenceOf(values, 'pretrained');
      const distance =
        kl === 'velocity'
          ? meanSquaredDistance(policy.modelOutput, pretrained.modelOutput)
          : stepKl(policy, pretrained, stdDevT);
      return loss.add(distance.mul(settings.klWeight));
    },
  }),
});
