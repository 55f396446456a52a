/** @file Reductions, and other operators along an axis. */

import { positiveAxis, reducedAxes } from '../../../graph/application.js';
import { intAttribute, intsAttribute } from '../../../graph/graph.js';
import { type Op, type Tf, type TfTensor, unsupported } from './op.js';

type Reduce = (tf: Tf, x: TfTensor, axes: number[], keep: boolean) => TfTensor;
type Elementwise = (tf: Tf, x: TfTensor) => TfTensor;

/** Applies `before` to every element, then reduces. Axes are an input since opset 18 (ReduceSum: 13), an attribute before. */
const reduction =
  (reduce: Reduce, before: Elementwise = (_, x) => x): Op =>
  (application) => {
    const { tf, input, integers, attributes } = application;
    const x = before(tf, input(0));
    const given = integers(1) ?? intsAttribute({ attributes }, 'axes');
    const axes = reducedAxes(application, x.rank, given);
    return axes.length === 0 ? x : reduce(tf, x, axes, intAttribute(application, 'keepdims', 1) === 1);
  };

const sum: Reduce = (tf, x, axes, keep) => tf.sum(x, axes, keep);

/** Applies a function of the last axis to any axis. */
function alongAxis(tf: Tf, x: TfTensor, given: number, apply: (x: TfTensor) => TfTensor): TfTensor {
  const [axis, last] = [positiveAxis(given, x.rank), x.rank - 1];
  if (axis === last) return apply(x);
  const order = x.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  return tf.transpose(apply(tf.transpose(x, order)), order);
}

const argMax: Op = (application) => {
  const { tf, input } = application;
  const axis = positiveAxis(intAttribute(application, 'axis', 0), input(0).rank);
  const found = tf.argMax(input(0), axis);
  return intAttribute(application, 'keepdims', 1) === 1 ? tf.expandDims(found, axis) : found;
};

const cumSum: Op = (application) => {
  const { tf, input, integers } = application;
  const [axis] = integers(1) ?? [];
  if (axis === undefined) return unsupported(application, 'an axis', 'none');
  const [exclusive, reverse] = ['exclusive', 'reverse'].map(
    (name) => intAttribute(application, name, 0) === 1,
  );
  // TensorFlow.js only differentiates along the last axis.
  return alongAxis(tf, input(0), axis, (x) => tf.cumsum(x, x.rank - 1, exclusive, reverse));
};

/** x - max x - ln Σ e^(x - max x). */
const logSoftmax: Op = (application) => {
  const { tf, input } = application;
  return alongAxis(tf, input(0), intAttribute(application, 'axis', -1), (x) => {
    const centered = tf.sub(x, tf.max(x, -1, true));
    return tf.sub(centered, tf.log(tf.sum(tf.exp(centered), -1, true)));
  });
};

const softmax: Op = (application) => {
  const { tf, input } = application;
  return alongAxis(tf, input(0), intAttribute(application, 'axis', -1), (x) => tf.softmax(x));
};

export const reductionOps = {
  ArgMax: argMax,
  CumSum: cumSum,
  LogSoftmax: logSoftmax,
  ReduceMax: reduction((tf, x, axes, keep) => tf.max(x, axes, keep)),
  ReduceMean: reduction((tf, x, axes, keep) => tf.mean(x, axes, keep)),
  ReduceMin: reduction((tf, x, axes, keep) => tf.min(x, axes, keep)),
  ReduceSum: reduction(sum),
  ReduceSumSquare: reduction(sum, (tf, x) => tf.square(x)),
  Softmax: softmax,
} satisfies Readonly<Record<string, Op>>;
