/**
 * @file Convolution in two ways: the kernel of the backend, and a product of matrices. The kernel is the fast way, where
 * there is one: it knows two spatial axes, and its gradients no dilation; wasm has none for the weight.
 */

import type { Window } from '../../../graph/shapes/convolution-shapes.js';
import { elementCount } from '../../../tensor.js';
import type { Tf, TfTensor } from './op.js';
import { everyNth, paddedAround } from './windows.js';

type Pictures = import('@tensorflow/tfjs').Tensor4D;

/** [B, C, ...] -> [B, ..., C]: channels last, as the backends want them. */
export function channelsLast(tf: Tf, x: TfTensor): TfTensor {
  return tf.transpose(x, [0, ...x.shape.slice(2).map((_, axis) => axis + 2), 1]);
}

/** [B, ..., C] -> [B, C, ...]. */
export function channelsFirst(tf: Tf, x: TfTensor): TfTensor {
  const last = x.rank - 1;
  return tf.transpose(x, [0, last, ...x.shape.slice(1, -1).map((_, axis) => axis + 1)]);
}

/** A weight [O, C, H, W] as [H, W, C, O]. */
export const kernelLayout = (tf: Tf, weight: TfTensor): TfTensor => tf.transpose(weight, [2, 3, 1, 0]);

/** Sizes of what a window sees, along every spatial axis. */
export function outputSizes(spatial: readonly number[], { kernel, strides, dilations }: Window): number[] {
  return spatial.map((size, axis) => {
    const reach = (dilations[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1;
    return Math.floor((size - reach) / (strides[axis] ?? 1)) + 1;
  });
}

/** The two-dimensional kernel of the backend: x [B, C, H, W], filter [H, W, C, O] -> [B, O, H, W]. */
export function convolveByKernel(tf: Tf, x: TfTensor, filter: TfTensor, window: Window): TfTensor {
  const keepsSize = isSame(window);
  const pictures = channelsLast(tf, keepsSize ? x : paddedAround(tf, x, window.pads)) as Pictures;
  const [strides, dilations] = [window.strides, window.dilations].map((pair) => [...pair]) as [
    number,
    number,
  ][];
  const result = tf.conv2d(
    pictures,
    filter as Pictures,
    strides as [number, number],
    keepsSize ? 'same' : 'valid',
    'NHWC',
    dilations,
  );
  return channelsFirst(tf, result);
}

/** Whether the pads are those that the backends know as `same`: all of them, unlike pads of any other size. */
const isSame = ({ kernel, strides, dilations, pads }: Window): boolean =>
  strides.every((stride) => stride === 1) &&
  [...kernel, ...kernel].every(
    (length, i) => 2 * (pads[i] ?? 0) === (dilations[i % kernel.length] ?? 1) * (length - 1),
  );

/**
 * Every place that a window looks at, side by side, times the weight: x [B, C, ...], weight [O, C, ...] -> [B, O, ...].
 * Any number of spatial axes, any dilation, and gradients made of slices and products alone.
 */
export function convolveByProduct(tf: Tf, x: TfTensor, weight: TfTensor, window: Window): TfTensor {
  const views = windowViews(tf, channelsLast(tf, paddedAround(tf, x, window.pads)), window);
  const [batch = 1, ...rest] = views[0]?.shape ?? [];
  const [channels = 1, spatial] = [rest.at(-1), rest.slice(0, -1)];
  const rows = batch * elementCount(spatial);
  const columns = tf.concat(
    views.map((view) => tf.reshape(view, [rows, channels])),
    1,
  );
  const [outputs = 1] = weight.shape;
  // [O, C, ...] -> [..., C, O], in the order of the views.
  const matrix = tf.reshape(
    tf.transpose(weight, [...weight.shape.slice(2).map((_, axis) => axis + 2), 1, 0]),
    [-1, outputs],
  );
  return channelsFirst(tf, tf.reshape(tf.matMul(columns, matrix), [batch, ...spatial, outputs]));
}

/** What each element of a window sees of [B, ..., C], in row-major order of the window. */
export function windowViews(tf: Tf, x: TfTensor, window: Window): TfTensor[] {
  const sizes = outputSizes(x.shape.slice(1, -1), window);
  return window.kernel.reduce<TfTensor[]>(
    (views, length, axis) =>
      views.flatMap((view) =>
        Array.from({ length }, (_, position) =>
          everyNth(tf, view, axis + 1, {
            start: position * (window.dilations[axis] ?? 1),
            count: sizes[axis] ?? 1,
            step: window.strides[axis] ?? 1,
          }),
        ),
      ),
    [x],
  );
}
