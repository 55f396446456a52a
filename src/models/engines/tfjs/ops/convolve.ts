/**
 * @file Convolution in two ways: by the backend's kernel, and as a matrix product. The kernel is faster, but it has two spatial
 * axes only, its gradients have no dilation, and on wasm it has no gradient for the weight.
 */

import { at } from '../../../../at.js';
import type { Window } from '../../../graph/shapes/convolution-shapes.js';
import { elementCount } from '../../../tensor.js';
import type { Tf, TfTensor } from './op.js';
import { everyNth, padAround } from './windows.js';

type Pictures = import('@tensorflow/tfjs').Tensor4D;

/** [B, C, ...] -> [B, ..., C]: channels last, as the backends need them. */
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

/** How many positions a window takes along every spatial axis. */
function outputSizes(spatial: readonly number[], { kernel, strides, dilations }: Window): number[] {
  return spatial.map((size, axis) => {
    const reach = at(dilations, axis) * (at(kernel, axis) - 1) + 1;
    return Math.floor((size - reach) / at(strides, axis)) + 1;
  });
}

/** Convolves by the backend's two-dimensional kernel: x [B, C, H, W], filter [H, W, C, O] -> [B, O, H, W]. */
export function convolveByKernel(tf: Tf, x: TfTensor, filter: TfTensor, window: Window): TfTensor {
  const keepsSize = isSame(window);
  const pictures = channelsLast(tf, keepsSize ? x : padAround(tf, x, window.pads)) as Pictures;
  const strides = [...window.strides] as [number, number];
  const dilations = [...window.dilations] as [number, number];
  const pad = keepsSize ? 'same' : 'valid';
  const result = tf.conv2d(pictures, filter as Pictures, strides, pad, 'NHWC', dilations);
  return channelsFirst(tf, result);
}

/** Whether the pads are what all backends support as `same`. Other pads are not supported by all of them. */
const isSame = ({ kernel, strides, dilations, pads }: Window): boolean =>
  strides.every((stride) => stride === 1) &&
  [...kernel, ...kernel].every(
    (length, i) => 2 * at(pads, i) === at(dilations, i % kernel.length) * (length - 1),
  );

/**
 * Convolves by a matrix product: all elements that a window covers, side by side, times the weight. x [B, C, ...],
 * weight [O, C, ...] -> [B, O, ...]. Any number of spatial axes, any dilation; gradients are slices and products only.
 */
export function convolveByProduct(tf: Tf, x: TfTensor, weight: TfTensor, window: Window): TfTensor {
  const views = windowViews(tf, channelsLast(tf, padAround(tf, x, window.pads)), window);
  const { shape } = at(views, 0);
  const [batch, channels, spatial] = [at(shape, 0), at(shape, -1), shape.slice(1, -1)];
  const rows = batch * elementCount(spatial);
  const parts = views.map((view) => tf.reshape(view, [rows, channels]));
  const columns = tf.concat(parts, 1);
  const outputs = at(weight.shape, 0);
  // [O, C, ...] -> [..., C, O], in the order of the views.
  const order = [...weight.shape.slice(2).map((_, axis) => axis + 2), 1, 0];
  const matrix = tf.reshape(tf.transpose(weight, order), [-1, outputs]);
  return channelsFirst(tf, tf.reshape(tf.matMul(columns, matrix), [batch, ...spatial, outputs]));
}

/** For each element of the window, in row-major order, what it covers of [B, ..., C]. */
export function windowViews(tf: Tf, x: TfTensor, window: Window): TfTensor[] {
  const sizes = outputSizes(x.shape.slice(1, -1), window);
  return window.kernel.reduce<TfTensor[]>(
    (views, length, axis) =>
      views.flatMap((view) =>
        Array.from({ length }, (_, position) =>
          everyNth(tf, view, axis + 1, {
            start: position * at(window.dilations, axis),
            count: at(sizes, axis),
            step: at(window.strides, axis),
          }),
        ),
      ),
    [x],
  );
}
