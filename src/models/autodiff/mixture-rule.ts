/** @file The gradient of a mixture y = p v with p = softmax(s). */

import type { Expression } from '../graph/ops/expression.js';
import { rule } from './rule.js';

/**
 * ds = p (dp - D) with dp = dy vᵀ and D = Σ p dp = Σ dy y along a row (Dao et al. 2022, "FlashAttention", appendix B).
 * dv = (dyᵀ p)ᵀ: the rows of this product are as long as there are keys.
 */
export const mixtureRule = rule<readonly [scores: Expression, values: Expression]>(
  ({ inputs: [, values], y, outputs, dy }) => {
    const [, weights] = outputs as readonly [Expression, Expression];
    const ds = () =>
      dy
        .matMul(values.matrixTranspose())
        .sub(dy.mul(y).reduceSum([-1]))
        .mul(weights);
    return [ds, () => dy.matrixTranspose().matMul(weights).matrixTranspose()];
  },
);
