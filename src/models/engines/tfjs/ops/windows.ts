/** @file Regular parts of a tensor, by operators that every backend can differentiate. */

import { at } from '../../../../at.js';
import type { Tf, TfTensor } from './op.js';

/** Elements start, start + step, ... of an axis, `count` of them; `step` may be negative. */
export function everyNth(
  tf: Tf,
  x: TfTensor,
  axis: number,
  { start, count, step }: { readonly start: number; readonly count: number; readonly step: number },
): TfTensor {
  const size = at(x.shape, axis);
  if (step < 0) {
    const mirrored = { start: size - 1 - start, count, step: -step };
    return everyNth(tf, tf.reverse(x, axis), axis, mirrored);
  }
  const cut = (of: TfTensor, begin: number, length: number) =>
    tf.slice(
      of,
      of.shape.map((_, i) => (i === axis ? begin : 0)),
      of.shape.map((whole, i) => (i === axis ? length : whole)),
    );
  if (step === 1 || count === 0) return cut(x, count === 0 ? 0 : start, count);
  // TensorFlow.js's strided slice has no gradient: cut whole blocks, and keep the first of each.
  const missing = Math.max(0, start + count * step - size);
  const whole = missing > 0 ? padEnd(tf, x, axis, missing) : x;
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const blocks = tf.reshape(cut(whole, start, count * step), [...before, count, step, ...after]);
  const firsts = tf.slice(
    blocks,
    blocks.shape.map(() => 0),
    blocks.shape.map((length, i) => (i === axis + 1 ? 1 : length)),
  );
  return tf.reshape(firsts, [...before, count, ...after]);
}

/** Appends zeros to an axis. */
function padEnd(tf: Tf, x: TfTensor, axis: number, count: number): TfTensor {
  const isBool = x.dtype === 'bool';
  const pads = x.shape.map((_, i): [number, number] => (i === axis ? [0, count] : [0, 0]));
  const result = tf.pad(isBool ? x.toInt() : x, pads);
  return isBool ? result.toBool() : result;
}

/** Pads the spatial axes of [B, C, ...]; negative pads crop. `pads` holds all begins, then all ends. */
export function padAround(tf: Tf, x: TfTensor, pads: readonly number[], value = 0): TfTensor {
  const axes = pads.length / 2;
  const lead = x.rank - axes;
  const padOf = (axis: number, side: 0 | 1) => (axis < lead ? 0 : at(pads, axis - lead + side * axes));
  const cropped = pads.some((pad) => pad < 0)
    ? tf.slice(
        x,
        x.shape.map((_, axis) => Math.max(0, -padOf(axis, 0))),
        x.shape.map((size, axis) => size + Math.min(0, padOf(axis, 0)) + Math.min(0, padOf(axis, 1))),
      )
    : x;
  if (pads.every((pad) => pad <= 0)) return cropped;
  const positive = x.shape.map((_, axis): [number, number] => [
    Math.max(0, padOf(axis, 0)),
    Math.max(0, padOf(axis, 1)),
  ]);
  return tf.pad(cropped, positive, value);
}

/** Puts `stride` - 1 zeros between the elements of an axis. */
export function spreadOut(tf: Tf, x: TfTensor, axis: number, stride: number): TfTensor {
  if (stride === 1) return x;
  const [before, size, after] = [x.shape.slice(0, axis), at(x.shape, axis), x.shape.slice(axis + 1)];
  const blocks = tf.pad(
    tf.reshape(x, [...before, size, 1, ...after]),
    [...x.shape, 1].map((_, i): [number, number] => (i === axis + 1 ? [0, stride - 1] : [0, 0])),
  );
  const spread = tf.reshape(blocks, [...before, size * stride, ...after]);
  return tf.slice(
    spread,
    spread.shape.map(() => 0),
    spread.shape.map((length, i) => (i === axis ? length - stride + 1 : length)),
  );
}

/** Splits an axis into parts of equal or given sizes. TensorFlow.js cannot differentiate a split into one part. */
export function partsOf(tf: Tf, x: TfTensor, sizes: number | number[], axis: number): TfTensor[] {
  const count = typeof sizes === 'number' ? sizes : sizes.length;
  return count === 1 ? [x] : tf.split(x, sizes, axis);
}
