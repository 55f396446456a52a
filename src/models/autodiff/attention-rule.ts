/** @file The gradient of attention in pieces. */

import type { Value } from '../graph/graph.js';
import * as op from '../graph/ops/index.js';
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
export const attentionRule = rule(({ g, node, x: [query, keys, value], y: [y], dy }) => {
  if (!query || !keys || !value || !y) return [];
  const [k, valueT] = [op.matrixTranspose(g, keys), op.matrixTranspose(g, value)];
  const rowSums = op.reduceSum(g, op.mul(g, dy, y), [-1]);
  const queryGradients: Value[] = [];
  let sums: { keys: Value; value: Value } | undefined;
  for (const piece of piecesOf(node)) {
    const last = queryGradients.at(-1);
    const arrived = sums && last && hasArrived(g, last, sums.keys, sums.value);
    const due = (rows: Value) => (arrived ? after(g, arrived, rows) : rows);
    const [q, dyRows] = [due(rowsOf(g, query, piece)), due(rowsOf(g, dy, piece))];
    const p = op.softmax(g, op.matMul(g, q, keys), -1);
    const centered = op.sub(g, op.matMul(g, dyRows, valueT), rowsOf(g, rowSums, piece));
    const ds = op.mul(g, p, centered);
    queryGradients.push(op.matMul(g, ds, k));
    const ofPiece = {
      keys: op.matMul(g, op.matrixTranspose(g, q), ds),
      value: op.matMul(g, op.matrixTranspose(g, dyRows), p),
    };
    sums = sums
      ? { keys: op.add(g, sums.keys, ofPiece.keys), value: op.add(g, sums.value, ofPiece.value) }
      : ofPiece;
  }
  return [
    op.concat(g, queryGradients, query.shape.length - 2),
    sums?.keys,
    sums && op.matrixTranspose(g, sums.value),
  ];
});
