/** @file The shape arithmetic that exporters leave in models with open axes. */

import { at } from '../../../../at.js';
import { intAttribute } from '../../../graph/graph.js';
import { type Op, unsupported } from './op.js';

const shape: Op = (application) => {
  const { tf, input } = application;
  const whole = input(0).shape;
  const end = intAttribute(application, 'end', whole.length);
  const sizes = whole.slice(intAttribute(application, 'start', 0), end);
  return tf.tensor1d(sizes, 'int32');
};

const constantOfShape: Op = (application) => {
  const { tf, integers, attributes } = application;
  const value = attributes.value?.kind === 'tensor' ? attributes.value.value : undefined;
  const dtype = value === undefined || value.type.startsWith('float') ? 'float32' : 'int32';
  const sizes = integers(0) ?? unsupported(application, 'a shape', 'none');
  const filled = tf.fill(sizes, value ? Number(value.data[0]) : 0, dtype);
  return value?.type === 'bool' ? filled.toBool() : filled;
};

const range: Op = ({ tf, input, integers, floats }) => {
  const isFloat = input(0).dtype === 'float32';
  const number = (index: number) => at((isFloat ? floats(index) : integers(index)) ?? [], 0);
  const [start, limit, delta] = [number(0), number(1), number(2)];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const numbers = Array.from({ length: count }, (_, i) => start + i * delta);
  return tf.tensor1d(numbers, isFloat ? 'float32' : 'int32');
};

const size: Op = ({ tf, input }) => tf.scalar(input(0).size, 'int32');

/** A constant given as numbers; one given as a tensor is known before the graph runs. */
const constant: Op = ({ tf, attributes }) => {
  const { value_float: number, value_floats: numbers, value_int: integer, value_ints: integers } = attributes;
  if (number?.kind === 'float') return tf.scalar(number.value, 'float32');
  if (numbers?.kind === 'floats') return tf.tensor1d([...numbers.value], 'float32');
  if (integer?.kind === 'int') return tf.scalar(integer.value, 'int32');
  return tf.tensor1d(integers?.kind === 'ints' ? [...integers.value] : [], 'int32');
};

export const shapeArithmeticOps = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Range: range,
  Shape: shape,
  Size: size,
} satisfies Readonly<Record<string, Op>>;
