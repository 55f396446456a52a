/** @file Operators that move elements. */

import { at } from '../../../../at.js';
import { broadcastShapes, positiveAxis } from '../../../graph/application.js';
import { intAttribute, intsAttribute, textAttribute } from '../../../graph/graph.js';
import { sliceRange } from '../../../graph/shapes/movement-shapes.js';
import { elementCount } from '../../../tensor.js';
import { type Application, allInputs, type Op, type TfTensor, unsupported } from './op.js';
import { addRows, takeRows } from './rows.js';
import { everyNth, padAround, partsOf } from './windows.js';

/** The integers of an input that must be present. */
const requiredIntegers = (application: Application, index: number): number[] =>
  application.integers(index) ?? unsupported(application, `an input at position ${index}`, 'none');

/** Axes as an input (since opset 13), or as an attribute. */
const axesOf = (application: Application, index: number) =>
  application.integers(index) ?? intsAttribute(application, 'axes');

/** The axis that an attribute names, counted from the front. */
const axisOf = (application: Application, otherwise: number, { rank }: TfTensor) =>
  positiveAxis(intAttribute(application, 'axis', otherwise), rank);

/** 0 keeps an axis of the input, -1 takes the remaining elements. */
const reshape: Op = (application) => {
  const { tf, input } = application;
  const keepsZeros = intAttribute(application, 'allowzero', 0) === 1;
  const wanted = requiredIntegers(application, 1);
  const shape = wanted.map((size, axis) => (size === 0 && !keepsZeros ? at(input(0).shape, axis) : size));
  return tf.reshape(input(0), shape);
};

const flatten: Op = (application) => {
  const { tf, input } = application;
  const { shape } = input(0);
  const axis = axisOf(application, 1, input(0));
  return tf.reshape(input(0), [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))]);
};

const squeeze: Op = (application) => {
  const { tf, input } = application;
  const { shape, rank } = input(0);
  const axes =
    axesOf(application, 1)?.map((axis) => positiveAxis(axis, rank)) ??
    shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  const kept = shape.filter((_, axis) => !axes.includes(axis));
  return tf.reshape(input(0), kept);
};

const unsqueeze: Op = (application) => {
  const { tf, input } = application;
  const given = axesOf(application, 1) ?? unsupported(application, 'axes', 'none');
  const rank = input(0).rank + given.length;
  const shape = [...input(0).shape];
  for (const axis of given.map((axis) => positiveAxis(axis, rank)).sort((a, b) => a - b))
    shape.splice(axis, 0, 1);
  return tf.reshape(input(0), shape);
};

const transpose: Op = (application) => {
  const { tf, input } = application;
  const order = intsAttribute(application, 'perm');
  return tf.transpose(input(0), order ? [...order] : undefined);
};

const concat: Op = (application) => {
  const parts = allInputs(application);
  return application.tf.concat(parts, axisOf(application, 0, at(parts, 0)));
};

const split: Op = (application) => {
  const { tf, input, integers, numOutputs } = application;
  const axis = axisOf(application, 0, input(0));
  const size = at(input(0).shape, axis);
  const chunk = Math.ceil(size / numOutputs);
  const sizes =
    integers(1) ?? Array.from({ length: numOutputs }, (_, i) => Math.min(chunk, size - i * chunk));
  return partsOf(tf, input(0), sizes, axis);
};

const slice: Op = (application) => {
  const { tf, input, integers } = application;
  const [starts, ends] = [requiredIntegers(application, 1), requiredIntegers(application, 2)];
  const axes = integers(3) ?? starts.map((_, axis) => axis);
  const steps = integers(4) ?? starts.map(() => 1);
  return axes.reduce((x, given, index) => {
    const axis = positiveAxis(given, x.rank);
    const size = at(x.shape, axis);
    const step = at(steps, index);
    const { start, count } = sliceRange(at(starts, index), at(ends, index), step, size);
    return count === size && step === 1 ? x : everyNth(tf, x, axis, { start, count, step });
  }, input(0));
};

const pad: Op = (application) => {
  const { tf, input, integers, floats } = application;
  const mode = textAttribute(application, 'mode', 'constant');
  if (mode !== 'constant') unsupported(application, 'mode constant', `mode ${mode}`);
  const x = input(0);
  const given = requiredIntegers(application, 1);
  const axes = (integers(3) ?? x.shape.map((_, axis) => axis)).map((axis) => positiveAxis(axis, x.rank));
  const pads = [...x.shape, ...x.shape].map(() => 0);
  axes.forEach((axis, index) => {
    pads[axis] = at(given, index);
    pads[axis + x.rank] = at(given, index + axes.length);
  });
  return padAround(tf, x, pads, floats(2)?.[0] ?? 0);
};

const expand: Op = (application) => {
  const { tf, input } = application;
  const wanted = requiredIntegers(application, 1);
  const shape = broadcastShapes(input(0).shape, wanted);
  if (!shape)
    return unsupported(application, `a shape that broadcasts to [${wanted}]`, `[${input(0).shape}]`);
  return tf.broadcastTo(input(0), shape);
};

/** The order of axes with one of them moved to the front. */
const firstOf = (rank: number, axis: number) => [
  axis,
  ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis),
];

const gather: Op = (application) => {
  const { tf, input } = application;
  const x = input(0);
  const axis = axisOf(application, 0, x);
  const size = at(x.shape, axis);
  const rest = x.shape.filter((_, i) => i !== axis);
  const indices = requiredIntegers(application, 1).map((index) => positiveAxis(index, size));
  const rows = tf.reshape(tf.transpose(x, firstOf(x.rank, axis)), [size, elementCount(rest)]);
  const taken = tf.reshape(takeRows(tf, rows, indices), [indices.length, ...rest]);
  const order = Array.from({ length: axis }, (_, i) => i + 1);
  const back = tf.transpose(taken, [...order, 0, ...rest.slice(axis).map((_, i) => axis + 1 + i)]);
  return tf.reshape(back, [...x.shape.slice(0, axis), ...input(1).shape, ...x.shape.slice(axis + 1)]);
};

const gatherElements: Op = (application) => {
  const { tf, input } = application;
  const [x, wanted] = [input(0), input(1)];
  const axis = axisOf(application, 0, x);
  const places = requiredIntegers(application, 1).map((index, position) => {
    let [place, stride, rest] = [0, 1, position];
    for (let i = x.rank - 1; i >= 0; i--) {
      const [length, size] = [at(wanted.shape, i), at(x.shape, i)];
      place += stride * (i === axis ? positiveAxis(index, size) : rest % length);
      rest = Math.floor(rest / length);
      stride *= size;
    }
    return place;
  });
  return tf.reshape(takeRows(tf, tf.reshape(x, [x.size, 1]), places), wanted.shape);
};

/** Replaces, or adds to, the rows that the indices of the first axes name. */
const scatterNd: Op = (application) => {
  const { tf, input } = application;
  const data = input(0);
  const depth = at(input(1).shape, -1);
  const count = elementCount(data.shape.slice(0, depth));
  const given = requiredIntegers(application, 1);
  const places = Array.from({ length: given.length / depth }, (_, row) =>
    given.slice(row * depth, (row + 1) * depth).reduce((place, index, axis) => {
      const size = at(data.shape, axis);
      return place * size + positiveAxis(index, size);
    }, 0),
  );
  const asRows = (x: TfTensor, rows: number) => tf.reshape(x, [rows, data.size / count]);
  const [old, updates] = [asRows(data, count), asRows(input(2), places.length)];
  const reduction = textAttribute(application, 'reduction', 'none');
  if (reduction === 'add') return tf.reshape(tf.add(old, addRows(tf, updates, places, count)), data.shape);
  if (reduction !== 'none') unsupported(application, 'reduction none or add', reduction);
  const sources = Array.from({ length: count }, (_, row) => row);
  for (const [row, place] of places.entries()) sources[place] = count + row;
  return tf.reshape(takeRows(tf, tf.concat([old, updates], 0), sources), data.shape);
};

export const movementOps = {
  Concat: concat,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  GatherElements: gatherElements,
  Pad: pad,
  Reshape: reshape,
  ScatterND: scatterNd,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: (application) => application.tf.tile(application.input(0), requiredIntegers(application, 1)),
  Transpose: transpose,
  Unsqueeze: unsqueeze,
} satisfies Readonly<Record<string, Op>>;
