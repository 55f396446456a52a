/**
 * @file Rows taken by index, and rows added by index: each is the other's gradient. TensorFlow.js has a gradient of its
 * own for the former alone, by a kernel that wasm lacks, so both are tied together here.
 */

import type { Tf, TfTensor } from './op.js';

type Matrix = import('@tensorflow/tfjs').Tensor2D;

function gathered(tf: Tf, x: TfTensor, indices: readonly number[]): TfTensor {
  return tf.gather(x, tf.tensor1d([...indices], 'int32'));
}

function scattered(tf: Tf, rows: TfTensor, indices: readonly number[], count: number): TfTensor {
  const places = tf.tensor2d([...indices], [indices.length, 1], 'int32');
  return tf.scatterND(places, rows, [count, ...rows.shape.slice(1)]);
}

/** Rows of x [N, W], in the order of the indices: [K, W]. */
export function takeRows(tf: Tf, x: TfTensor, indices: readonly number[]): TfTensor {
  if (x.dtype !== 'float32') return gathered(tf, x, indices);
  const [count = 0] = x.shape;
  const taken = tf.customGrad((rows) => ({
    value: gathered(tf, rows as Matrix, indices),
    gradFunc: (dy: TfTensor) => scattered(tf, dy, indices, count),
  }));
  return taken(x);
}

/** [N, W], the sum of all rows [K, W] that go to the same place. */
export function addRows(tf: Tf, rows: TfTensor, indices: readonly number[], count: number): TfTensor {
  const added = tf.customGrad((x) => ({
    value: scattered(tf, x as Matrix, indices, count),
    gradFunc: (dy: TfTensor) => gathered(tf, dy, indices),
  }));
  return added(rows);
}
