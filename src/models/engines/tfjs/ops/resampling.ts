/** @file Operators that change the resolution of pictures. */

import { at } from '../../../../at.js';
import { positiveAxis } from '../../../graph/application.js';
import { intAttribute, intsAttribute, textAttribute } from '../../../graph/graph.js';
import { elementCount } from '../../../tensor.js';
import { type Application, type Op, type Tf, type TfTensor, unsupported } from './op.js';
import { takeRows } from './rows.js';

/** Nearest neighbor, one axis after another. */
const resize: Op = (application) => {
  const { tf, input, integers, floats } = application;
  const mode = textAttribute(application, 'mode', 'nearest');
  if (mode !== 'nearest') unsupported(application, 'mode nearest', `mode ${mode}`);
  const x = input(0);
  const axes = (intsAttribute(application, 'axes') ?? x.shape.map((_, axis) => axis)).map((axis) =>
    positiveAxis(axis, x.rank),
  );
  const [scales, sizes] = [floats(2), integers(3)];
  return axes.reduce((resized, axis, index) => {
    const size = at(x.shape, axis);
    const wanted = sizes?.length ? at(sizes, index) : Math.floor(size * at(scales ?? [], index));
    const scale = scales?.length ? at(scales, index) : wanted / size;
    const sources = Array.from({ length: wanted }, (_, i) => {
      const position = positionOf(application, i, { size, wanted, scale });
      return Math.min(Math.max(roundPosition(application, position), 0), size - 1);
    });
    return takeElements(tf, resized, axis, sources);
  }, x);
};

/** Takes elements of an axis by position; if each is repeated equally often, by broadcasting. */
function takeElements(tf: Tf, x: TfTensor, axis: number, sources: readonly number[]): TfTensor {
  const [before, size, after] = [x.shape.slice(0, axis), at(x.shape, axis), x.shape.slice(axis + 1)];
  const factor = sources.length / size;
  const shape = [...before, sources.length, ...after];
  if (sources.every((source, i) => source === Math.floor(i / factor))) {
    if (factor === 1) return x;
    const rows = tf.reshape(x, [elementCount(before) * size, 1, elementCount(after)]);
    return tf.reshape(tf.mul(rows, tf.ones([1, factor, 1], x.dtype)), shape);
  }
  const order = [axis, ...before.map((_, i) => i), ...after.map((_, i) => axis + 1 + i)];
  const rows = tf.reshape(tf.transpose(x, order), [size, x.size / size]);
  const taken = tf.reshape(takeRows(tf, rows, sources), [sources.length, ...before, ...after]);
  return tf.transpose(taken, [...before.map((_, i) => i + 1), 0, ...after.map((_, i) => axis + 1 + i)]);
}

/** The input position of an output element, by ONNX's formulas, before rounding. */
function positionOf(
  application: Application,
  i: number,
  { size, wanted, scale }: { readonly size: number; readonly wanted: number; readonly scale: number },
): number {
  const mode = textAttribute(application, 'coordinate_transformation_mode', 'half_pixel');
  switch (mode) {
    case 'asymmetric':
      return i / scale;
    case 'align_corners':
      return wanted === 1 ? 0 : (i * (size - 1)) / (wanted - 1);
    case 'half_pixel':
      return (i + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return wanted === 1 ? 0 : (i + 0.5) / scale - 0.5;
    default:
      return unsupported(application, 'coordinates asymmetric, align_corners or half_pixel', mode);
  }
}

function roundPosition(application: Application, position: number): number {
  switch (textAttribute(application, 'nearest_mode', 'round_prefer_floor')) {
    case 'floor':
      return Math.floor(position);
    case 'ceil':
      return Math.ceil(position);
    case 'round_prefer_ceil':
      return Math.floor(position + 0.5);
    default:
      return Math.ceil(position - 0.5);
  }
}

/** [B, C · block², H, W] -> [B, C, H · block, W · block]; the mode says whether the block or C is the outer part. */
const depthToSpace: Op = (application) => {
  const { tf, input } = application;
  const [batch, channels, height, width] = input(0).shape as [number, number, number, number];
  const block = intAttribute(application, 'blocksize', 1);
  const depth = channels / block ** 2;
  const isBlockOuter = textAttribute(application, 'mode', 'DCR') === 'DCR';
  const split = isBlockOuter ? [block, block, depth] : [depth, block, block];
  const order = isBlockOuter ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  const blocks = tf.reshape(input(0), [batch, ...split, height, width]);
  return tf.reshape(tf.transpose(blocks, order), [batch, depth, height * block, width * block]);
};

export const resamplingOps = {
  DepthToSpace: depthToSpace,
  Resize: resize,
} satisfies Readonly<Record<string, Op>>;
