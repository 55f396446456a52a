/** @file Gradients of matrix products. */

import { at } from '../../at.js';
import { floatAttribute, intAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { COLUMNS_AT_ONCE } from '../graph/passes/join-narrow.js';
import { rule } from './rule.js';

type Factors = readonly [Expression, Expression];

/** y = a b: da = dy bᵀ, db = aᵀ dy; broadcast batch axes are summed by the driver. */
export const matMulRule = rule<Factors>(({ g, dy, inputs: [a, b] }) => [
  () => timesTranspose(g, dy, b),
  () => transposeTimes(a, dy, b.shape),
]);

/** dy bᵀ. A matrix on disk is multiplied as it lies there: its transpose would be a constant in memory. */
function timesTranspose(g: GraphBuilder, dy: Expression, b: Expression): Expression {
  if (!g.placeOf(b)) return dy.matMul(b.matrixTranspose());
  const product = dy.reshape([-1, at(b.shape, 1)]).gemm(b, { right: true });
  return product.reshape([...dy.shape.slice(0, -1), at(b.shape, 0)]);
}

/**
 * aᵀ dy. Where b is one matrix for a batch of a, the axes of batch and rows fold into one, so that one product does the sum
 * that the driver would otherwise do after a product for each batch.
 *
 * b is narrow or flat where it is a factor of an adapter. onnxruntime's Gemm is slow with a flat aᵀ, its MatMul is not; a
 * narrow product is fast as (dyᵀ a)ᵀ, whose rows are long.
 */
function transposeTimes(a: Expression, dy: Expression, shapeOfB: readonly number[]): Expression {
  if (shapeOfB.length > 2 || a.shape.length === 2) return a.matrixTranspose().matMul(dy);
  const [inner, columns] = [at(shapeOfB, 0), at(shapeOfB, 1)];
  const [left, right] = [a.reshape([-1, inner]), dy.reshape([-1, columns])];
  if (Math.min(inner, columns) >= COLUMNS_AT_ONCE) return left.gemm(right, { left: true });
  const isNarrow = columns < inner;
  return isNarrow
    ? right.matrixTranspose().matMul(left).matrixTranspose()
    : left.matrixTranspose().matMul(right);
}

/** y = α A B + β C, A and B possibly transposed: dA = α dy Bᵀ, dB = α Aᵀ dy, dC = β dy, transposed alike. */
export const gemmRule = rule<Factors>(({ dy, inputs: [a, b], node }) => {
  const [transA, transB] = [intAttribute(node, 'transA', 0) === 1, intAttribute(node, 'transB', 0) === 1];
  const scale = (value: Expression, name: 'alpha' | 'beta') => {
    const factor = floatAttribute(node, name, 1);
    return factor === 1 ? value : value.mul(factor);
  };
  const da = () => (transA ? b.gemm(dy, { left: transB, right: true }) : dy.gemm(b, { right: !transB }));
  const db = () => (transB ? dy.gemm(a, { left: true, right: transA }) : a.gemm(dy, { left: !transA }));
  return [() => scale(da(), 'alpha'), () => scale(db(), 'alpha'), () => scale(dy, 'beta')];
});
