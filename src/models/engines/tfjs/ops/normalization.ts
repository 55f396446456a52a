/** @file Normalisations, written out: TensorFlow.js differentiates what they are made of. */

import { positiveAxis } from '../../../graph/application.js';
import { floatAttribute, intAttribute } from '../../../graph/graph.js';
import type { Application, Op, TfTensor } from './op.js';

interface Standardized {
  readonly normalized: TfTensor;
  readonly mean: TfTensor;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverseStdDev: TfTensor;
}

function standardized({ tf, attributes }: Application, x: TfTensor, axes: number[]): Standardized {
  const epsilon = floatAttribute({ attributes }, 'epsilon', 1e-5);
  const mean = tf.mean(x, axes, true);
  const centered = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centered), axes, true);
  const inverseStdDev = tf.rsqrt(tf.add(variance, epsilon));
  return { normalized: tf.mul(centered, inverseStdDev), mean, inverseStdDev };
}

const layerNormalization: Op = (application) => {
  const { tf, input, has, numOutputs } = application;
  const x = input(0);
  const first = positiveAxis(intAttribute(application, 'axis', -1), x.rank);
  const axes = x.shape.flatMap((_, axis) => (axis < first ? [] : [axis]));
  const { normalized, mean, inverseStdDev } = standardized(application, x, axes);
  const scaled = tf.mul(normalized, input(1));
  const result = has(2) ? tf.add(scaled, input(2)) : scaled;
  return [result, mean, inverseStdDev].slice(0, numOutputs);
};

/** Every row [B, rows, ...] by itself, times a scale and plus a bias a row. */
function rowNormalization(application: Application, rows: number): TfTensor {
  const { tf, input } = application;
  const x = input(0);
  const { normalized } = standardized(application, tf.reshape(x, [x.shape[0] ?? 1, rows, -1]), [2]);
  const ofRow = (index: number) => tf.reshape(input(index), [1, rows, 1]);
  return tf.reshape(tf.add(tf.mul(normalized, ofRow(1)), ofRow(2)), x.shape);
}

export const normalizationOps = {
  /** As in opset 18 to 20: scale and bias have one number a group. */
  GroupNormalization: (application) =>
    rowNormalization(application, intAttribute(application, 'num_groups', 1)),
  InstanceNormalization: (application) => rowNormalization(application, application.input(0).shape[1] ?? 1),
  LayerNormalization: layerNormalization,
} satisfies Readonly<Record<string, Op>>;
