/** @file A loss with a weighted penalty, as every surrogate with a KL term has it. */

import type { Expression } from '../graph/ops/expression.js';

/** loss + weight · penalty; with weight 0 the penalty is not even computed, so that it needs no reference policy. */
export function penalizedLoss(loss: Expression, weight: number, penalty: () => Expression): Expression {
  return weight === 0 ? loss : loss.add(penalty().mul(weight));
}
