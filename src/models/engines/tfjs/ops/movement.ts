/** @file Operators that move elements. */

import { broadcastShapes, positiveAxis } from '../../../graph/application.js';
import { intAttribute, intsAttribute, textAttribute } from '../../../graph/graph.js';
import { elementCount } from '../../../tensor.js';
import type { Application, Op, TfTensor } from './op.js';
import { allInputs, unsupported } from './op.js';
import { addRows, takeRows } from './rows.js';
import { everyNth, paddedAround, partsOf } from './windows.js';

/** Axes as an input, since opset 13, or as an attribute. */
const axesOf = (application: Application, index: number) =>
  application.integers(index) ?? intsAttribute(application, 'axes');

/** 0 keeps an axis of the input, -1 takes what is left. */
const reshape: Op = (application) => {
  const { tf, input, integers } = application;
  const keepsZeros = intAttribute(application, 'allowzero', 0) === 1;
  const wanted = integers(1) ?? [];
  const shape = wanted.map((size, axis) => (size === 0 && !keepsZeros ? (input(0).shape[axis] ?? 1) : size));
  return tf.reshape(input(0), shape);
};

const flatten: Op = (application) => {
  const { tf, input } = application;
  const { shape, rank } = input(0);
  const axis = positiveAxis(intAttribute(application, 'axis', 1), rank);
  return tf.reshape(input(0), [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))]);
};

const squeeze: Op = (application) => {
  const { tf, input } = application;
  const { shape, rank } = input(0);
  const axes =
    axesOf(application, 1)?.map((axis) => positiveAxis(axis, rank)) ??
    shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  return tf.reshape(
    input(0),
    shape.filter((_, axis) => !axes.includes(axis)),
  );
};

const unsqueeze: Op = (application) => {
  const { tf, input } = application;
  const given = axesOf(application, 1) ?? [];
  const rank = input(0).rank + given.length;
  const axes = given.map((axis) => positiveAxis(axis, rank));
  const rest = [...input(0).shape];
  return tf.reshape(
    input(0),
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : (rest.shift() ?? 1))),
  );
};

const transpose: Op = (application) => {
  const { tf, input } = application;
  const order = intsAttribute(application, 'perm');
  return tf.transpose(input(0), order ? [...order] : undefined);
};

const concat: Op = (application) => {
  const parts = allInputs(application);
  const axis = positiveAxis(intAttribute(application, 'axis', 0), parts[0]?.rank ?? 1);
  return application.tf.concat(parts, axis);
};

const split: Op = (application) => {
  const { tf, input, integers, numOutputs } = application;
  const axis = positiveAxis(intAttribute(application, 'axis', 0), input(0).rank);
  const size = input(0).shape[axis] ?? 0;
  const chunk = Math.ceil(size / numOutputs);
  const sizes =
    integers(1) ?? Array.from({ length: numOutputs }, (_, i) => Math.min(chunk, size - i * chunk));
  return partsOf(tf, input(0), sizes, axis);
};

/** Starts and ends count from the end where negative, and are clamped to the axis. */
const slice: Op = ({ tf, input, integers }) => {
  const starts = integers(1) ?? [];
  const ends = integers(2) ?? [];
  const axes = integers(3) ?? starts.map((_, axis) => axis);
  return axes.reduce((x, given, index) => {
    const axis = positiveAxis(given, x.rank);
    const size = x.shape[axis] ?? 0;
    const step = integers(4)?.[index] ?? 1;
    const clamp = (position: number, low: number, high: number) =>
      Math.min(Math.max(position < 0 ? position + size : position, low), high);
    const start = clamp(starts[index] ?? 0, 0, step > 0 ? size : size - 1);
    const end = step > 0 ? clamp(ends[index] ?? size, 0, size) : clamp(ends[index] ?? size, -1, size - 1);
    const count = Math.max(0, Math.ceil((end - start) / step));
    return count === size && step === 1 ? x : everyNth(tf, x, axis, { start, count, step });
  }, input(0));
};

const pad: Op = (application) => {
  const { tf, input, integers, floats } = application;
  const mode = textAttribute(application, 'mode', 'constant');
  if (mode !== 'constant') unsupported(application, 'mode constant', `mode ${mode}`);
  const x = input(0);
  const given = integers(1) ?? [];
  const axes = (integers(3) ?? x.shape.map((_, axis) => axis)).map((axis) => positiveAxis(axis, x.rank));
  const pads = [...x.shape, ...x.shape].map(() => 0);
  axes.forEach((axis, index) => {
    pads[axis] = given[index] ?? 0;
    pads[axis + x.rank] = given[index + axes.length] ?? 0;
  });
  return paddedAround(tf, x, pads, floats(2)?.[0] ?? 0);
};

const expand: Op = (application) => {
  const { tf, input, integers } = application;
  const wanted = integers(1) ?? [];
  const shape = broadcastShapes(input(0).shape, wanted);
  if (!shape)
    return unsupported(application, `a shape that broadcasts to [${wanted}]`, `[${input(0).shape}]`);
  return tf.broadcastTo(input(0), shape);
};

/** The order of axes with one of them first. */
const firstOf = (rank: number, axis: number) => [
  axis,
  ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis),
];

const gather: Op = (application) => {
  const { tf, input, integers } = application;
  const x = input(0);
  const axis = positiveAxis(intAttribute(application, 'axis', 0), x.rank);
  const size = x.shape[axis] ?? 0;
  const rest = x.shape.filter((_, i) => i !== axis);
  const indices = (integers(1) ?? []).map((index) => positiveAxis(index, size));
  const rows = tf.reshape(tf.transpose(x, firstOf(x.rank, axis)), [size, elementCount(rest)]);
  const taken = tf.reshape(takeRows(tf, rows, indices), [indices.length, ...rest]);
  const order = Array.from({ length: axis }, (_, i) => i + 1);
  const back = tf.transpose(taken, [...order, 0, ...rest.slice(axis).map((_, i) => axis + 1 + i)]);
  return tf.reshape(back, [...x.shape.slice(0, axis), ...input(1).shape, ...x.shape.slice(axis + 1)]);
};

const gatherElements: Op = (application) => {
  const { tf, input, integers } = application;
  const [x, wanted] = [input(0), input(1)];
  const axis = positiveAxis(intAttribute(application, 'axis', 0), x.rank);
  const places = (integers(1) ?? []).map((index, position) => {
    let [place, stride, rest] = [0, 1, position];
    for (let i = x.rank - 1; i >= 0; i--) {
      const coordinate = rest % (wanted.shape[i] ?? 1);
      rest = Math.floor(rest / (wanted.shape[i] ?? 1));
      place += stride * (i === axis ? positiveAxis(index, x.shape[i] ?? 1) : coordinate);
      stride *= x.shape[i] ?? 1;
    }
    return place;
  });
  return tf.reshape(takeRows(tf, tf.reshape(x, [x.size, 1]), places), wanted.shape);
};

/** Rows of the first axes that the indices name are replaced, or added to. */
const scatterNd: Op = (application) => {
  const { tf, input, integers } = application;
  const data = input(0);
  const depth = input(1).shape.at(-1) ?? 1;
  const count = elementCount(data.shape.slice(0, depth));
  const given = integers(1) ?? [];
  const places = Array.from({ length: given.length / depth }, (_, row) =>
    given.slice(row * depth, (row + 1) * depth).reduce((place, index, axis) => {
      const size = data.shape[axis] ?? 1;
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
  Tile: ({ tf, input, integers }) => tf.tile(input(0), integers(1) ?? []),
  Transpose: transpose,
  Unsqueeze: unsqueeze,
} satisfies Readonly<Record<string, Op>>;
