/** @file Normalizations, written out: TensorFlow.js differentiates the operators that they consist of. */

import { at } from '../../../../at.js';
import { positiveAxis } from '../../../graph/application.js';
import { floatAttribute, intAttribute } from '../../../graph/graph.js';
import type { Application, Op, TfTensor } from './op.js';

interface Standardized {
  readonly normalized: TfTensor;
  readonly mean: TfTensor;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverseStdDev: TfTensor;
}

function standardize({ tf, attributes }: Application, x: TfTensor, axes: number[]): Standardized {
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
  const { normalized, mean, inverseStdDev } = standardize(application, x, axes);
  const scaled = tf.mul(normalized, input(1));
  const result = has(2) ? tf.add(scaled, input(2)) : scaled;
  return [result, mean, inverseStdDev].slice(0, numOutputs);
};

/** Normalizes every row of [B, rows, ...], then applies the scale and bias of the row. */
function rowNormalization(application: Application, rows: number): TfTensor {
  const { tf, input } = application;
  const x = input(0);
  const { normalized } = standardize(application, tf.reshape(x, [at(x.shape, 0), rows, -1]), [2]);
  const ofRow = (index: number) => tf.reshape(input(index), [1, rows, 1]);
  return tf.reshape(tf.add(tf.mul(normalized, ofRow(1)), ofRow(2)), x.shape);
}

export const normalizationOps = {
  /** As in opsets 18 to 20: scale and bias have one number per group. */
  GroupNormalization: (application) =>
    rowNormalization(application, intAttribute(application, 'num_groups', 1)),
  InstanceNormalization: (application) => rowNormalization(application, at(application.input(0).shape, 1)),
  LayerNormalization: layerNormalization,
} satisfies Readonly<Record<string, Op>>;
