import { at } from '../../at.js';
import type { Expression } from '../graph/ops/expression.js';
import type { LayerContext } from './layers.js';

/** x / √(mean x² + epsilon) · weight over the last axis (Zhang and Sennrich 2019): neither mean nor bias. */
export function rmsNorm(
  { g, weights }: LayerContext,
  scope: string,
  x: Expression,
  epsilon: number,
): Expression {
  return g.scoped(scope, () => {
    const weight = weights(`${g.scope.slice(1).replaceAll('/', '.')}.weight`, [at(x.shape, -1)], {
      constant: 1,
    });
    const size = x.mul(x).reduceMean([-1]).add(epsilon).sqrt();
    return x.div(size).mul(weight);
  });
}
