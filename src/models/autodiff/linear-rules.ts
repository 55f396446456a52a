/** @file Gradients of matrix products. */

import { floatAttribute, intAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { rule } from './rule.js';

/** y = a b: da = dy bᵀ, db = aᵀ dy; broadcast batch axes are summed by the driver. */
export const matMulRule = rule(({ g, dy, x: [a, b], wants }) => {
  if (!a || !b) return [];
  return [wants(0) ? inputGradient(g, dy, b) : undefined, wants(1) ? weightGradient(a, dy, b) : undefined];
});

/** dy bᵀ. A matrix on disk is multiplied as it lies there: its transpose would be a constant in memory. */
function inputGradient(g: GraphBuilder, dy: Expression, b: Expression): Expression {
  if (!g.isStored(b)) return dy.matMul(b.matrixTranspose());
  const [inner = 1, columns = 1] = b.shape;
  const product = dy.reshape([-1, columns]).gemm(b, { right: true });
  return product.reshape([...dy.shape.slice(0, -1), inner]);
}

/**
 * aᵀ dy. Where b is a plain matrix under a batch of a, the batch and row axes of a fold into one, so that one product does
 * the sum that un-broadcasting would do after a product for each batch.
 */
function weightGradient(a: Expression, dy: Expression, b: Expression): Expression {
  if (b.shape.length > 2 || a.shape.length === 2) return a.matrixTranspose().matMul(dy);
  const [inner = 1, columns = 1] = b.shape;
  return a.reshape([-1, inner]).gemm(dy.reshape([-1, columns]), { left: true });
}

/** y = α A B + β C, A and B possibly transposed: dA = α dy Bᵀ, dB = α Aᵀ dy, dC = β dy, transposed alike. */
export const gemmRule = rule(({ dy, x: [a, b], node, wants }) => {
  if (!a || !b) return [];
  const [transA, transB] = [intAttribute(node, 'transA', 0) === 1, intAttribute(node, 'transB', 0) === 1];
  const scaled = (value: Expression, name: 'alpha' | 'beta') => {
    const factor = floatAttribute(node, name, 1);
    return factor === 1 ? value : value.mul(factor);
  };
  const da = () => (transA ? b.gemm(dy, { left: transB, right: true }) : dy.gemm(b, { right: !transB }));
  const db = () => (transB ? dy.gemm(a, { left: true, right: transA }) : a.gemm(dy, { left: !transA }));
  return [
    wants(0) ? scaled(da(), 'alpha') : undefined,
    wants(1) ? scaled(db(), 'alpha') : undefined,
    wants(2) ? scaled(dy, 'beta') : undefined,
  ];
});
