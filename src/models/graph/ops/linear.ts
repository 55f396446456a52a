/** @file Linear algebra. */

import type { Value } from '../graph.js';
import { int, ints } from '../graph.js';
import type { EmitOptions, GraphBuilder } from './builder.js';

/** Matrix product over the last two axes; the leading axes broadcast. */
export function matMul(g: GraphBuilder, left: Value, right: Value, options: EmitOptions = {}): Value {
  const [output] = g.emit('MatMul', [left, right], {}, options) as [Value];
  return output;
}

/** left^(T) · right^(T) of two matrices, plus a bias for every column. */
export function gemm(
  g: GraphBuilder,
  left: Value,
  right: Value,
  transpose: { left?: boolean; right?: boolean } = {},
  bias?: Value,
): Value {
  const [output] = g.emit('Gemm', bias ? [left, right, bias] : [left, right], {
    transA: int(transpose.left ? 1 : 0),
    transB: int(transpose.right ? 1 : 0),
  }) as [Value];
  return output;
}

/** The last two axes swapped: the transposes of a stack of matrices. */
export function matrixTranspose(g: GraphBuilder, x: Value): Value {
  const order = x.shape.map((_, axis) => axis);
  const last = order.length - 1;
  const perm = ints([...order.slice(0, -2), last, last - 1]);
  const [output] = g.emit('Transpose', [x], { perm }) as [Value];
  return output;
}
