/** @file A loss with a weighted penalty, as every surrogate with a KL term has it. */

import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';

/** loss + weight · penalty; with weight 0 the penalty is not even computed, so that it needs no reference policy. */
export function penalizedLoss(g: GraphBuilder, loss: Value, weight: number, penalty: () => Value): Value {
  return weight === 0 ? loss : op.add(g, loss, op.mul(g, penalty(), g.scalar(weight)));
}
