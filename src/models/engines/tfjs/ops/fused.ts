/** @file The fused operators of onnxruntime (domain com.microsoft) that sampling graphs use, in basic operators. */

import { at } from '../../../../at.js';
import { floatAttribute, intAttribute } from '../../../graph/graph.js';
import type { Op, TfTensor } from './op.js';

/** x · σ(α x). */
const quickGelu: Op = (application) => {
  const { tf, input } = application;
  return tf.mul(input(0), tf.sigmoid(tf.mul(input(0), floatAttribute(application, 'alpha', 1.702))));
};

/** softmax(q kᵀ · scale) v in every head: q [B, N, C], k and v [B, M, C] -> [B, N, C]. */
const multiHeadAttention: Op = (application) => {
  const { tf, input } = application;
  const heads = intAttribute(application, 'num_heads', 1);
  const split = (x: TfTensor) => {
    const [batch, positions, width] = x.shape as [number, number, number];
    const apart = tf.transpose(tf.reshape(x, [batch, positions, heads, width / heads]), [0, 2, 1, 3]);
    return tf.reshape(apart, [batch * heads, positions, width / heads]);
  };
  const [query, key, value] = [0, 1, 2].map((index) => split(input(index))) as [TfTensor, TfTensor, TfTensor];
  const scale = floatAttribute(application, 'scale', 1 / Math.sqrt(at(query.shape, 2)));
  const weights = tf.softmax(tf.mul(tf.matMul(query, key, false, true), scale));
  const mixed = tf.matMul(weights, value);
  const [batch, positions] = input(0).shape as [number, number, number];
  const apart = tf.reshape(mixed, [batch, heads, positions, -1]);
  return tf.reshape(tf.transpose(apart, [0, 2, 1, 3]), [batch, positions, -1]);
};

export const fusedOps = {
  MultiHeadAttention: multiHeadAttention,
  QuickGelu: quickGelu,
} satisfies Readonly<Record<string, Op>>;
