/** @file DDPO's importance-sampled surrogate. */

import { number } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';
import { defineSurrogate } from './surrogate.js';

/**
 * Loss of every (sample, step) pair [M]: max(-A ρ, -A clip(ρ, 1 - e, 1 + e)), ρ = π/π_old (Black et al. 2023, DDPO-IS with the
 * clip of PPO; ddpo-pytorch scripts/train.py; B²-DiffuRL uses the same with e = 0.1).
 *
 * Notation: `clipRange` is e; A is the advantage, clipped to [-advClipMax, advClipMax].
 */
export function ddpoIsLoss(
  { ratio, advantage }: { readonly ratio: Expression; readonly advantage: Expression },
  { clipRange, advClipMax }: { readonly clipRange: number; readonly advClipMax: number },
): Expression {
  const minusA = advantage.clip(-advClipMax, advClipMax).neg();
  const clippedRatio = ratio.clip(1 - clipRange, 1 + clipRange);
  return minusA.mul(ratio).max(minusA.mul(clippedRatio));
}

export const clipRangeField = number({ from: '(0', to: '1)' })
  .default(1e-4)
  .describe(
    'Half-width of the band of ratios that still give a gradient. Log-probs are means over the latent, so useful ratios differ from 1 by about 1e-4; with 0.1 nothing is ever clipped.',
  );

export const advClipMaxField = number({ from: '(0', to: 'Infinity)' })
  .default(5)
  .describe('Advantages are clipped to this magnitude, so one lucky image cannot dominate.');

export const ddpoIs = defineSurrogate({
  name: 'ddpo-is',
  summary:
    "DDPO's importance-sampled loss, clipped as PPO clips: max(-A ρ, -A clip(ρ, 1 - clipRange, 1 + clipRange)).",
  fields: { clipRange: clipRangeField, advClipMax: advClipMaxField },
  create: (settings) => ({
    trainsOn: 'steps',
    references: [],
    clipRange: settings.clipRange,
    loss: ({ policy, oldLogProb, advantage }) => {
      const ratio = policy.logProb.sub(oldLogProb).exp();
      return ddpoIsLoss({ ratio, advantage }, settings);
    },
  }),
});
