/** @file The gradient of attention in pieces. */

import { concat, type Expression } from '../graph/ops/expression.js';
import { after, hasArrived } from '../graph/passes/arrival.js';
import { piecesOf, rowsOf } from '../graph/passes/attention.js';
import { rule } from './rule.js';

/**
 * y = p v with p = softmax(s), s = q kᵀ. With D = Σ dy y along a row, which is Σ p dp (Dao et al. 2022, "FlashAttention",
 * appendix B): ds = p (dy vᵀ - D), dq = ds k, dk = dsᵀ q, dv = pᵀ dy.
 *
 * p is made again for some rows at a time, and the rows after wait for everything of those before, so that no two pieces are
 * in memory at once. Sums over all rows are kept transposed: then small matrices are transposed, and never p or ds.
 */
export const attentionRule = rule(({ node, x: [query, keys, value], y: [y], dy }) => {
  if (!query || !keys || !value || !y) return [];
  const [k, valueT] = [keys.matrixTranspose(), value.matrixTranspose()];
  const rowSums = dy.mul(y).reduceSum([-1]);
  const queryGradients: Expression[] = [];
  let sums: { keys: Expression; value: Expression } | undefined;
  for (const piece of piecesOf(node)) {
    const last = queryGradients.at(-1);
    const arrived = sums && last && hasArrived(last, sums.keys, sums.value);
    const due = (rows: Expression) => (arrived ? after(arrived, rows) : rows);
    const [q, dyRows] = [due(rowsOf(query, piece)), due(rowsOf(dy, piece))];
    const p = q.matMul(keys).softmax(-1);
    const centered = dyRows.matMul(valueT).sub(rowsOf(rowSums, piece));
    const ds = p.mul(centered);
    queryGradients.push(ds.matMul(k));
    const ofPiece = {
      keys: q.matrixTranspose().matMul(ds),
      value: dyRows.matrixTranspose().matMul(p),
    };
    sums = sums ? { keys: sums.keys.add(ofPiece.keys), value: sums.value.add(ofPiece.value) } : ofPiece;
  }
  return [concat(queryGradients, query.shape.length - 2), sums?.keys, sums?.value.matrixTranspose()];
});
