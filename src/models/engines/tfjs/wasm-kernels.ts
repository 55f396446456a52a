/**
 * @file Kernels of the wasm backend, rebuilt from its other kernels. Its own are many times slower for products with a
 * transposed factor and for the gradient of a convolution, and they add up one element after another, which loses digits
 * (docs/decisions/graph.md, 100).
 */

import { at } from '../../../at.js';
import { elementCount } from '../../tensor.js';
import type { Tf, TfTensor } from './ops/op.js';
import { spreadOut } from './ops/windows.js';

type Pictures = import('@tensorflow/tfjs').Tensor4D;

/** A kernel call by an operator of TensorFlow.js. */
interface Call {
  readonly inputs: Readonly<Record<string, TfTensor>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  /** The backend's own kernel. */
  readonly original: () => TfTensor;
}

type Replacement = (tf: Tf, call: Call) => TfTensor;

/** A product with a transposed factor: the factor is transposed first. */
const batchMatMul: Replacement = (tf, { inputs, attrs, original }) => {
  const [a, b] = [inputs.a, inputs.b] as [TfTensor, TfTensor];
  const { transposeA, transposeB } = attrs;
  if (!transposeA && !transposeB) return original();
  return tf.matMul(transposeA ? swapLastAxes(tf, a) : a, transposeB ? swapLastAxes(tf, b) : b);
};

function swapLastAxes(tf: Tf, x: TfTensor): TfTensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/**
 * The gradient of a convolution with respect to its input: dy, with zeros between its elements for strides, convolved with the
 * mirrored filter whose channels are swapped. dy [B, H, W, O], filter [h, w, C, O] -> [B, H', W', C].
 */
const conv2dBackpropInput: Replacement = (tf, { inputs, attrs, original }) => {
  const [dy, filter] = [inputs.dy, inputs.filter] as [Pictures, Pictures];
  const { strideHeight, strideWidth, padInfo, ...sizes } = tf.backend_util.computeConv2DInfo(
    attrs.inputShape as Pictures['shape'],
    filter.shape,
    attrs.strides as [number, number],
    1,
    attrs.pad as 'same' | 'valid',
  );
  const spread = spreadOut(tf, spreadOut(tf, dy, 1, strideHeight), 2, strideWidth) as Pictures;
  const [, height, width] = spread.shape;
  const [top, left] = [sizes.filterHeight - 1 - padInfo.top, sizes.filterWidth - 1 - padInfo.left];
  const bottom = sizes.inHeight + sizes.filterHeight - 1 - height - top;
  const right = sizes.inWidth + sizes.filterWidth - 1 - width - left;
  if (Math.min(top, bottom, left, right) < 0) return original();
  const around: [[number, number], [number, number], [number, number], [number, number]] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return tf.conv2d(spread, mirror(tf, filter), 1, around);
};

/** Rotates a filter [h, w, C, O] by half a turn, into [h, w, O, C]. By slices: the kernels that reverse or gather are slow. */
function mirror(tf: Tf, filter: Pictures): Pictures {
  const [height, width, channels, outputs] = filter.shape;
  const places = height * width;
  const flat = tf.reshape(filter, [places, channels, outputs]);
  const turned = Array.from({ length: places }, (_, place) =>
    tf.slice(flat, [places - 1 - place, 0, 0], [1, channels, outputs]),
  );
  return tf.reshape(tf.transpose(tf.concat(turned, 0), [0, 2, 1]), [height, width, outputs, channels]);
}

/** Up to this many elements are added up in sequence; more are added up in rows, and then the sums of the rows. */
const SEQUENTIAL = 64;

/** Sums whose rounding error grows with the logarithm of the number of elements instead of linearly. */
const sum: Replacement = (tf, { inputs, attrs, original }) => {
  const x = inputs.x as TfTensor;
  const axes = tf.util.parseAxisParam(attrs.axis as number[], x.shape);
  const count = elementCount(axes.map((axis) => at(x.shape, axis)));
  const rows = count > SEQUENTIAL && x.dtype === 'float32' ? middleDivisor(count) : 1;
  if (rows === 1) return original();
  const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const apart = tf.reshape(tf.transpose(x, [...kept, ...axes]), [-1, rows, count / rows]);
  const shape = x.shape.flatMap((size, axis) => {
    if (kept.includes(axis)) return [size];
    return attrs.keepDims ? [1] : [];
  });
  return tf.reshape(tf.sum(tf.sum(apart, 2), 1), shape);
};

const mean: Replacement = (tf, { inputs, attrs }) => {
  const x = inputs.x as TfTensor;
  const axes = tf.util.parseAxisParam(attrs.axis as number[], x.shape);
  const count = elementCount(axes.map((axis) => at(x.shape, axis)));
  return tf.div(tf.sum(x, axes, attrs.keepDims === true), count);
};

/** The largest divisor up to the square root. */
function middleDivisor(count: number): number {
  let divisor = Math.floor(Math.sqrt(count));
  while (count % divisor !== 0) divisor -= 1;
  return divisor;
}

const REPLACEMENTS: Readonly<Record<string, Replacement>> = {
  BatchMatMul: batchMatMul,
  Conv2DBackpropInput: conv2dBackpropInput,
  Mean: mean,
  Sum: sum,
};

/** Replaces the backend's kernels by these, in this thread. The tape does not record what a kernel calls. */
export function replaceWasmKernels(tf: Tf): void {
  const backendName = 'wasm';
  for (const [kernelName, replacement] of Object.entries(REPLACEMENTS)) {
    const { kernelFunc } = tf.getKernel(kernelName, backendName);
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (params) =>
        tf.tidy(() =>
          replacement(tf, {
            inputs: params.inputs as Call['inputs'],
            attrs: (params.attrs ?? {}) as Call['attrs'],
            original: () => tf.engine().makeTensorFromTensorInfo(kernelFunc(params) as TfTensor),
          }),
        ),
    });
  }
}
