/** @file D3PO's surrogate: preferences between two branches, step by step. */

import { at } from '../../at.js';
import { number } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';
import { defineSurrogate, referenceOf } from './surrogate.js';

/**
 * Loss of every pair [M/2]: -log σ(β (ln ρ_win - ln ρ_lose)), with ρ = clamp(π/π_pre, 1 - e, 1 + e) (Yang et al. 2023, D3PO;
 * d3po scripts/train.py).
 *
 * Notation: `preferenceBeta` is β, the strength of the KL that DPO's reward implies; `clipRange` e. Rows 0 .. M/2 - 1 are
 * preferred to rows M/2 .. M - 1, each pair at the same step. The advantage is not read: it has decided which row is which.
 *
 * Identities: ln clamp(ρ, 1 - e, 1 + e) = clamp(ln ρ, ln(1 - e), ln(1 + e)), which needs no exponential, and
 * -log σ(z) = softplus(-z), which does not overflow. Where both policies agree the loss is ln 2, its slope in ln π
 * -β/2 for the preferred row and β/2 for the other; outside the band it is 0.
 */
export const d3po = defineSurrogate({
  name: 'd3po',
  summary:
    "D3PO's preference loss on pairs of branches at the same step, -log σ(preferenceBeta (ln ρ_win - ln ρ_lose)), ρ the ratio to the pretrained model, clamped to 1 ± clipRange.",
  fields: {
    preferenceBeta: number({ from: '(0', to: 'Infinity)' })
      .default(0.1)
      .describe(
        'Factor β of the preference; with a larger β, less drift from the pretrained model suffices.',
      ),
    clipRange: number({ from: '(0', to: '1)' })
      .default(0.1)
      .describe(
        'Ratios to the pretrained model are clamped to 1 ± this; a branch outside gives no gradient. Log-probs are means over the latent, so 0.1 hardly ever binds.',
      ),
  },
  create: ({ preferenceBeta, clipRange }) => ({
    trainsOn: 'pairs',
    references: ['pretrained'],
    // The band lies around π/π_pre, not around π/π_old.
    clipRange: null,
    loss: (values) => {
      const logRatio = values.policy.logProb.sub(referenceOf(values, 'pretrained').logProb);
      const clamped = logRatio.clip(Math.log(1 - clipRange), Math.log(1 + clipRange));
      const pairs = at(clamped.shape, 0) / 2;
      const [preferred, rejected] = clamped.split([pairs, pairs], 0) as [Expression, Expression];
      return preferred.sub(rejected).mul(-preferenceBeta).softplus();
    },
  }),
});
