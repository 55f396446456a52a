/**
 * @file Takes rows by index, and adds rows by index: each is the other's gradient. TensorFlow.js only has a gradient for the
 * former, by a kernel that wasm lacks; here the two serve as each other's gradients.
 */

import { at } from '../../../../at.js';
import type { Tf, TfTensor } from './op.js';

type Matrix = import('@tensorflow/tfjs').Tensor2D;

function gather(tf: Tf, x: TfTensor, indices: readonly number[]): TfTensor {
  return tf.gather(x, tf.tensor1d([...indices], 'int32'));
}

function scatter(tf: Tf, rows: TfTensor, indices: readonly number[], count: number): TfTensor {
  const places = tf.tensor2d([...indices], [indices.length, 1], 'int32');
  return tf.scatterND(places, rows, [count, ...rows.shape.slice(1)]);
}

/** Takes rows of x [N, W] in the order of the indices: [K, W]. */
export function takeRows(tf: Tf, x: TfTensor, indices: readonly number[]): TfTensor {
  if (x.dtype !== 'float32') return gather(tf, x, indices);
  const count = at(x.shape, 0);
  const taken = tf.customGrad((rows) => ({
    value: gather(tf, rows as Matrix, indices),
    gradFunc: (dy: TfTensor) => scatter(tf, dy, indices, count),
  }));
  return taken(x);
}

/** Adds up all rows [K, W] that go to the same place: [N, W]. */
export function addRows(tf: Tf, rows: TfTensor, indices: readonly number[], count: number): TfTensor {
  const added = tf.customGrad((x) => ({
    value: scatter(tf, x as Matrix, indices, count),
    gradFunc: (dy: TfTensor) => gather(tf, dy, indices),
  }));
  return added(rows);
}
