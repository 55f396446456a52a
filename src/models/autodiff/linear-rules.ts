/** @file Gradients of matrix products. */

import type { Value } from '../graph/graph.js';
import { floatAttribute, intAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { rule } from './rule.js';

/** y = a b: da = dy bᵀ, db = aᵀ dy; broadcast batch axes are summed by the driver. */
export const matMulRule = rule(({ g, dy, x: [a, b], wants }) => {
  if (!a || !b) return [];
  return [wants(0) ? inputGradient(g, dy, b) : undefined, wants(1) ? weightGradient(g, a, dy, b) : undefined];
});

/** dy bᵀ. A matrix on disk is multiplied as it lies there: its transpose would be a constant in memory. */
function inputGradient(g: GraphBuilder, dy: Value, b: Value): Value {
  if (!g.isStored(b)) return op.matMul(g, dy, op.matrixTranspose(g, b));
  const [inner = 1, columns = 1] = b.shape;
  const product = op.gemm(g, op.reshape(g, dy, [-1, columns]), b, { right: true });
  return op.reshape(g, product, [...dy.shape.slice(0, -1), inner]);
}

/**
 * aᵀ dy. Where b is a plain matrix under a batch of a, the batch and row axes of a fold into one, so that one product does
 * the sum that un-broadcasting would do after a product for each batch.
 */
function weightGradient(g: GraphBuilder, a: Value, dy: Value, b: Value): Value {
  if (b.shape.length > 2 || a.shape.length === 2) return op.matMul(g, op.matrixTranspose(g, a), dy);
  const [inner = 1, columns = 1] = b.shape;
  return op.gemm(g, op.reshape(g, a, [-1, inner]), op.reshape(g, dy, [-1, columns]), { left: true });
}

/** y = α A B + β C, A and B possibly transposed: dA = α dy Bᵀ, dB = α Aᵀ dy, dC = β dy, transposed alike. */
export const gemmRule = rule(({ g, dy, x: [a, b], node, wants }) => {
  if (!a || !b) return [];
  const [transA, transB] = [intAttribute(node, 'transA', 0) === 1, intAttribute(node, 'transB', 0) === 1];
  const scaled = (value: Value, name: 'alpha' | 'beta') => {
    const factor = floatAttribute(node, name, 1);
    return factor === 1 ? value : op.mul(g, value, g.scalar(factor));
  };
  const da = () =>
    transA ? op.gemm(g, b, dy, { left: transB, right: true }) : op.gemm(g, dy, b, { right: !transB });
  const db = () =>
    transB ? op.gemm(g, dy, a, { left: true, right: transA }) : op.gemm(g, a, dy, { left: !transA });
  return [
    wants(0) ? scaled(da(), 'alpha') : undefined,
    wants(1) ? scaled(db(), 'alpha') : undefined,
    wants(2) ? scaled(dy, 'beta') : undefined,
  ];
});
