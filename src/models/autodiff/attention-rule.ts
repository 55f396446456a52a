/** @file The gradient of attention in pieces. */

import { concat, type Expression } from '../graph/ops/expression.js';
import { piecesOf, rowsOf } from '../graph/passes/attention.js';
import { after, hasArrived } from '../graph/passes/rewrite.js';
import { rule } from './rule.js';

/**
 * y = p v with p = softmax(s), s = q kᵀ. With D = Σ dy y along a row, which is Σ p dp (Dao et al. 2022, "FlashAttention",
 * appendix B): ds = p (dy vᵀ - D), dq = ds k, dk = dsᵀ q, dv = pᵀ dy.
 *
 * p is computed again for a piece of the rows at a time. Each piece waits for everything of the piece before, so that no two are
 * in memory at once. Sums over all rows are kept transposed: then small matrices are transposed, and never p or ds.
 */
export const attentionRule = rule<readonly [q: Expression, kT: Expression, v: Expression]>(
  ({ node, inputs: [q, kT, v], y, dy }) => {
    const [k, vT] = [kT.matrixTranspose(), v.matrixTranspose()];
    const rowSums = dy.mul(y).reduceSum([-1]);
    const dqs: Expression[] = [];
    let sums: { dkT: Expression; dvT: Expression } | undefined;
    for (const piece of piecesOf(node)) {
      const last = dqs.at(-1);
      const arrived = sums && last && hasArrived(last, sums.dkT, sums.dvT);
      const due = (rows: Expression) => (arrived ? after(arrived, rows) : rows);
      const [qRows, dyRows] = [due(rowsOf(q, piece)), due(rowsOf(dy, piece))];
      const p = qRows.matMul(kT).softmax(-1);
      const ds = p.mul(dyRows.matMul(vT).sub(rowsOf(rowSums, piece)));
      dqs.push(ds.matMul(k));
      const dkT = qRows.matrixTranspose().matMul(ds);
      const dvT = dyRows.matrixTranspose().matMul(p);
      sums = sums ? { dkT: sums.dkT.add(dkT), dvT: sums.dvT.add(dvT) } : { dkT, dvT };
    }
    if (!sums) return [];
    const { dkT, dvT } = sums;
    return [() => concat(dqs, q.shape.length - 2), () => dkT, () => dvT.matrixTranspose()];
  },
);
