/** @file Elementwise operators. TensorFlow.js broadcasts by the same rule as ONNX. */

import { broadcastShapes } from '../../../graph/application.js';
import { floatAttribute, intAttribute, textAttribute } from '../../../graph/graph.js';
import { type Application, allInputs, type Op, type Tf, type TfTensor, unsupported } from './op.js';

const unary =
  (apply: (tf: Tf, x: TfTensor, application: Application) => TfTensor): Op =>
  (application) =>
    apply(application.tf, application.input(0), application);

const binary =
  (apply: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): Op =>
  ({ tf, input }) =>
    apply(tf, input(0), input(1));

/** Broadcasts all inputs first: TensorFlow.js's gradients of maximum and minimum do not undo broadcasting. */
const extreme =
  (apply: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): Op =>
  (application) => {
    const { tf } = application;
    const inputs = allInputs(application);
    const shape = inputs.reduce<readonly number[]>((all, x) => broadcastShapes(all, x.shape) ?? all, []);
    const alike = inputs.map((x) => (x.shape.join() === shape.join() ? x : tf.broadcastTo(x, [...shape])));
    return alike.reduce((a, b) => apply(tf, a, b));
  };

/** Booleans as integers: not every backend compares booleans. */
const numeric = (x: TfTensor) => (x.dtype === 'bool' ? x.toInt() : x);

/** The bound of a Clip that has none. */
const LARGEST = 3.4028234663852886e38;

const clip: Op = ({ tf, input, floats }) =>
  tf.clipByValue(input(0), floats(1)?.[0] ?? -LARGEST, floats(2)?.[0] ?? LARGEST);

/** Integers divide toward zero. */
function divide(tf: Tf, a: TfTensor, b: TfTensor): TfTensor {
  if (a.dtype !== 'int32') return tf.div(a, b);
  const magnitude = tf.floorDiv(tf.abs(a), tf.abs(b));
  return tf.mul(magnitude, tf.mul(tf.sign(a), tf.sign(b)).toInt());
}

/** x above 0, a (e^x - 1) below. */
function elu(tf: Tf, x: TfTensor, { attributes }: Application): TfTensor {
  const alpha = floatAttribute({ attributes }, 'alpha', 1);
  if (alpha === 1) return tf.elu(x);
  return tf.add(tf.relu(x), tf.mul(tf.elu(tf.neg(tf.relu(tf.neg(x)))), alpha));
}

function gelu(tf: Tf, x: TfTensor, { attributes }: Application): TfTensor {
  const half = tf.mul(x, 0.5);
  if (textAttribute({ attributes }, 'approximate', 'none') === 'none')
    return tf.mul(half, tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(half, tf.add(tf.tanh(inner), 1));
}

const FLOAT = 1;
const UINT8 = 2;
const INT32 = 6;
const INT64 = 7;
const BOOL = 9;

function cast(tf: Tf, x: TfTensor, application: Application): TfTensor {
  const to = intAttribute(application, 'to', FLOAT);
  switch (to) {
    case FLOAT:
      return tf.cast(x, 'float32');
    case INT32:
    case INT64:
      return tf.cast(x, 'int32');
    case UINT8:
      return tf.mod(tf.cast(x, 'int32'), tf.scalar(256, 'int32'));
    case BOOL:
      return tf.notEqual(numeric(x), tf.scalar(0, x.dtype === 'float32' ? 'float32' : 'int32'));
    default:
      return unsupported(application, 'float32, integers or booleans', `ONNX element type ${to}`);
  }
}

/** The exponent may have a different type than the base; the base decides. */
const pow = binary((tf, base, exponent) => tf.pow(base, tf.cast(exponent, base.dtype)));

export const elementwiseOps = {
  Abs: unary((tf, x) => tf.abs(x)),
  Cast: unary(cast),
  Ceil: unary((tf, x) => tf.ceil(x)),
  Clip: clip,
  Cos: unary((tf, x) => tf.cos(x)),
  Elu: unary(elu),
  Erf: unary((tf, x) => tf.erf(x)),
  Exp: unary((tf, x) => tf.exp(x)),
  Floor: unary((tf, x) => tf.floor(x)),
  Gelu: unary(gelu),
  HardSigmoid: unary((tf, x, node) => {
    const [slope, offset] = [floatAttribute(node, 'alpha', 0.2), floatAttribute(node, 'beta', 0.5)];
    return tf.clipByValue(tf.add(tf.mul(x, slope), offset), 0, 1);
  }),
  Identity: unary((_, x) => x),
  LeakyRelu: unary((tf, x, node) => tf.leakyRelu(x, floatAttribute(node, 'alpha', 0.01))),
  Log: unary((tf, x) => tf.log(x)),
  Neg: unary((tf, x) => tf.neg(x)),
  Not: unary((tf, x) => tf.logicalNot(x)),
  Reciprocal: unary((tf, x) => tf.reciprocal(x)),
  Relu: unary((tf, x) => tf.relu(x)),
  Sigmoid: unary((tf, x) => tf.sigmoid(x)),
  Sin: unary((tf, x) => tf.sin(x)),
  Softplus: unary((tf, x) => tf.softplus(x)),
  Sqrt: unary((tf, x) => tf.sqrt(x)),
  Tanh: unary((tf, x) => tf.tanh(x)),

  Add: binary((tf, a, b) => tf.add(a, b)),
  And: binary((tf, a, b) => tf.logicalAnd(a, b)),
  Div: binary(divide),
  Equal: binary((tf, a, b) => tf.equal(numeric(a), numeric(b))),
  Greater: binary((tf, a, b) => tf.greater(a, b)),
  GreaterOrEqual: binary((tf, a, b) => tf.greaterEqual(a, b)),
  Less: binary((tf, a, b) => tf.less(a, b)),
  LessOrEqual: binary((tf, a, b) => tf.lessEqual(a, b)),
  Max: extreme((tf, a, b) => tf.maximum(a, b)),
  Min: extreme((tf, a, b) => tf.minimum(a, b)),
  Mul: binary((tf, a, b) => tf.mul(a, b)),
  Or: binary((tf, a, b) => tf.logicalOr(a, b)),
  Pow: pow,
  Sub: binary((tf, a, b) => tf.sub(a, b)),
  Where: ({ tf, input }) => tf.where(input(0), input(1), input(2)),
} satisfies Readonly<Record<string, Op>>;
