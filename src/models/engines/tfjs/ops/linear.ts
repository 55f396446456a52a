/** @file Matrix products. */

import { at } from '../../../../at.js';
import { broadcastShapes } from '../../../graph/application.js';
import { floatAttribute, intAttribute } from '../../../graph/graph.js';
import { elementCount } from '../../../tensor.js';
import type { Op, Tf, TfTensor } from './op.js';

/** Multiplies matrices or batches of them. A vector counts as a row on the left and as a column on the right. */
export function matMul(tf: Tf, a: TfTensor, b: TfTensor): TfTensor {
  if (a.rank === 1) return tf.squeeze(matMul(tf, tf.expandDims(a, 0), b), [Math.max(0, b.rank - 2)]);
  if (b.rank === 1) return tf.squeeze(matMul(tf, a, tf.expandDims(b, 1)), [a.rank - 1]);
  const [rows, inner, columns] = [at(a.shape, -2), at(a.shape, -1), at(b.shape, -1)];
  if (b.rank === 2) {
    // One product for the whole batch. Its gradient also needs no unbroadcasting, which tfjs leaves out.
    const product = tf.matMul(tf.reshape(a, [-1, inner]), b);
    return tf.reshape(product, [...a.shape.slice(0, -1), columns]);
  }
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (!batch) throw new Error(`batch axes of [${a.shape}] and [${b.shape}] do not broadcast`);
  const flat = (x: TfTensor, ...matrix: [number, number]) => {
    const count = elementCount(batch);
    const isWhole = elementCount(x.shape.slice(0, -2)) === count;
    return tf.reshape(isWhole ? x : tf.broadcastTo(x, [...batch, ...matrix]), [count, ...matrix]);
  };
  const product = tf.matMul(flat(a, rows, inner), flat(b, inner, columns));
  return tf.reshape(product, [...batch, rows, columns]);
}

/** y = α A B + β C, where A and B may be transposed. */
const gemm: Op = (application) => {
  const { tf, input, has } = application;
  const [left, right] = ['transA', 'transB'].map((name) => intAttribute(application, name, 0) === 1);
  const scaled = (x: TfTensor, name: string) => {
    const factor = floatAttribute(application, name, 1);
    return factor === 1 ? x : tf.mul(x, factor);
  };
  const product = scaled(tf.matMul(input(0), input(1), left, right), 'alpha');
  return has(2) ? tf.add(product, scaled(input(2), 'beta')) : product;
};

export const linearOps = {
  Gemm: gemm,
  MatMul: ({ tf, input }) => matMul(tf, input(0), input(1)),
} satisfies Readonly<Record<string, Op>>;
