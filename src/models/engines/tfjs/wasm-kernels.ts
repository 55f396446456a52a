/**
 * @file Kernels of the backend wasm that are made of its other kernels. Its own take many times as long where a factor of a
 * product is transposed, and for the gradient of a convolution; and they add up one element after another, which loses
 * digits (docs/decisions/graph.md, 100).
 */

import { elementCount } from '../../tensor.js';
import type { Tf, TfTensor } from './ops/op.js';
import { spaced } from './ops/windows.js';

type Pictures = import('@tensorflow/tfjs').Tensor4D;

/** A call of a kernel by an operator of TensorFlow.js. */
interface Call {
  readonly inputs: Readonly<Record<string, TfTensor>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  /** The kernel as it was. */
  readonly before: () => TfTensor;
}

type Replacement = (tf: Tf, call: Call) => TfTensor;

/** A product with a transposed factor: the factor is transposed first. */
const batchMatMul: Replacement = (tf, { inputs, attrs, before }) => {
  const [a, b] = [inputs.a, inputs.b] as [TfTensor, TfTensor];
  const { transposeA, transposeB } = attrs;
  if (!transposeA && !transposeB) return before();
  return tf.matMul(transposeA ? swapped(tf, a) : a, transposeB ? swapped(tf, b) : b);
};

/** The last two axes in each other's place. */
function swapped(tf: Tf, x: TfTensor): TfTensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/**
 * The gradient of a convolution with respect to its input: dy, with zeros between its elements where there were strides,
 * convolved by the mirrored filter whose channels change places. dy [B, H, W, O], filter [h, w, C, O] -> [B, H', W', C].
 */
const conv2dBackpropInput: Replacement = (tf, { inputs, attrs, before }) => {
  const [dy, filter] = [inputs.dy, inputs.filter] as [Pictures, Pictures];
  const { strideHeight, strideWidth, padInfo, ...sizes } = tf.backend_util.computeConv2DInfo(
    attrs.inputShape as Pictures['shape'],
    filter.shape,
    attrs.strides as [number, number],
    1,
    attrs.pad as 'same' | 'valid',
  );
  const spread = spaced(tf, spaced(tf, dy, 1, strideHeight), 2, strideWidth);
  const [, height = 1, width = 1] = spread.shape;
  const [top, left] = [sizes.filterHeight - 1 - padInfo.top, sizes.filterWidth - 1 - padInfo.left];
  const bottom = sizes.inHeight + sizes.filterHeight - 1 - height - top;
  const right = sizes.inWidth + sizes.filterWidth - 1 - width - left;
  if (Math.min(top, bottom, left, right) < 0) return before();
  const around: [[number, number], [number, number], [number, number], [number, number]] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return tf.conv2d(spread as Pictures, mirrored(tf, filter), 1, around);
};

/** A filter [h, w, C, O] after half a turn, as [h, w, O, C]. Taken apart: the kernels that reverse or gather are slow too. */
function mirrored(tf: Tf, filter: Pictures): Pictures {
  const [height, width, channels, outputs] = filter.shape;
  const places = height * width;
  const flat = tf.reshape(filter, [places, channels, outputs]);
  const turned = Array.from({ length: places }, (_, place) =>
    tf.slice(flat, [places - 1 - place, 0, 0], [1, channels, outputs]),
  );
  return tf.reshape(tf.transpose(tf.concat(turned, 0), [0, 2, 1]), [height, width, outputs, channels]);
}

/** So many elements are added up one after another; of more, rows are, and then their sums. */
const IN_ONE_GO = 64;

/** Sums whose rounding grows with the logarithm of what they add up, not in proportion to it. */
const sum: Replacement = (tf, { inputs, attrs, before }) => {
  const x = inputs.x as TfTensor;
  const axes = tf.util.parseAxisParam(attrs.axis as number[], x.shape);
  const count = elementCount(axes.map((axis) => x.shape[axis] ?? 1));
  const rows = count > IN_ONE_GO && x.dtype === 'float32' ? middleDivisor(count) : 1;
  if (rows === 1) return before();
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
  const count = elementCount(axes.map((axis) => x.shape[axis] ?? 1));
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

/** Puts these kernels in the place of the backend's, in this thread. What a kernel calls is on no tape. */
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
            before: () => tf.engine().makeTensorFromTensorInfo(kernelFunc(params) as TfTensor),
          }),
        ),
    });
  }
}
