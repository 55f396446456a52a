/** @file DDPO's score-function surrogate: REINFORCE. */

import { advClipMaxField } from './ddpo-is.js';
import { defineSurrogate } from './surrogate.js';

/**
 * Loss of every row [M]: -A log π(x_{i+1} | x_i), A clipped to [-advClipMax, advClipMax] (Black et al. 2023, DDPO-SF).
 *
 * Its gradient, -A ∇log π, is that of DDPO-IS at ratio 1. It is the policy gradient only while the policy is still the one
 * that sampled: take one optimizer step per batch of samples. The loss itself does not measure progress.
 *
 * Departure: the clip of the advantage comes from ddpo-pytorch, which implements DDPO-IS alone. The log-prob is a mean over
 * dimensions, as everywhere here, which scales the gradient by 1/D.
 */
export const ddpoSf = defineSurrogate({
  name: 'ddpo-sf',
  summary:
    "DDPO's score-function loss, -A log π (REINFORCE). Correct only on-policy: one optimizer step per batch of samples.",
  fields: { advClipMax: advClipMaxField },
  create: ({ advClipMax }) => ({
    trainsOn: 'steps',
    references: [],
    clipRange: null,
    loss: ({ policy, advantage }) => advantage.clip(-advClipMax, advClipMax).mul(policy.logProb).neg(),
  }),
});
