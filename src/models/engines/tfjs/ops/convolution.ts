/** @file Convolution and pooling with any number of spatial axes. Inputs and outputs are [B, C, ...], as in ONNX. */

import { at } from '../../../../at.js';
import { intAttribute, intsAttribute, textAttribute } from '../../../graph/graph.js';
import { type Window, windowOf } from '../../../graph/shapes/convolution-shapes.js';
import {
  channelsFirst,
  channelsLast,
  convolveByKernel,
  convolveByProduct,
  kernelLayout,
  windowViews,
} from './convolve.js';
import { type Application, type Op, type TfTensor, unsupported } from './op.js';
import { padAround, partsOf, spreadOut } from './windows.js';

function requireExplicitPads(application: Application): void {
  const mode = textAttribute(application, 'auto_pad', 'NOTSET');
  if (mode !== 'NOTSET') unsupported(application, 'explicit pads', `auto_pad ${mode}`);
}

const withBias = ({ tf, has, input }: Application, y: TfTensor): TfTensor =>
  has(2) ? tf.add(y, tf.reshape(input(2), [1, -1, ...y.shape.slice(2).map(() => 1)])) : y;

const conv: Op = (application) => {
  const { tf, input, isDifferentiated, laidOut } = application;
  requireExplicitPads(application);
  const [x, weight] = [input(0), input(1)];
  const window = windowOf(application, weight.shape.slice(2));
  const isDilated = window.dilations.some((dilation) => dilation > 1);
  const isForKernel =
    x.rank === 4 && window.groups === 1 && !isDifferentiated(1) && !(isDilated && isDifferentiated(0));
  if (!isForKernel) return withBias(application, convolveGroups(application, x, weight, window));
  const kernel = laidOut(1, 'kernel', (filter) => kernelLayout(tf, filter));
  return withBias(application, convolveByKernel(tf, x, kernel, window));
};

/** Each group of channels has weights of its own. */
function convolveGroups({ tf }: Application, x: TfTensor, weight: TfTensor, window: Window): TfTensor {
  const weights = partsOf(tf, weight, window.groups, 0);
  const parts = partsOf(tf, x, window.groups, 1);
  const outputs = parts.map((part, group) => convolveByProduct(tf, part, at(weights, group), window));
  return tf.concat(outputs, 1);
}

/** The transpose of a convolution: zeros between elements, then one with mirrored weights and swapped channels. */
const convTranspose: Op = (application) => {
  const { tf, input } = application;
  requireExplicitPads(application);
  if (intsAttribute(application, 'output_shape')) unsupported(application, 'explicit pads', 'output_shape');
  const [x, weight] = [input(0), input(1)];
  const spatial = weight.shape.slice(2);
  const window = windowOf(application, spatial);
  const outputPadding = intsAttribute(application, 'output_padding') ?? spatial.map(() => 0);
  const spread = window.strides.reduce((spread, stride, axis) => spreadOut(tf, spread, axis + 2, stride), x);
  const reaches = spatial.map((size, axis) => at(window.dilations, axis) * (size - 1));
  const pads = [
    ...reaches.map((reach, axis) => reach - at(window.pads, axis)),
    ...reaches.map((reach, axis) => reach - at(window.pads, axis + spatial.length) + at(outputPadding, axis)),
  ];
  const axes = spatial.map((_, axis) => axis + 2);
  const mirrored = tf.reverse(weight, axes);
  const swap = [1, 0, ...axes];
  const swapped = partsOf(tf, mirrored, window.groups, 0).map((part) => tf.transpose(part, swap));
  const unstrided = { ...window, strides: spatial.map(() => 1), pads };
  return withBias(application, convolveGroups(application, spread, tf.concat(swapped, 0), unstrided));
};

const averagePool: Op = (application) => {
  const { tf, input, attributes } = application;
  requireExplicitPads(application);
  const kernel = intsAttribute({ attributes }, 'kernel_shape');
  if (!kernel) return unsupported(application, 'a kernel_shape', 'none');
  const window = windowOf(application, kernel);
  if (intAttribute(application, 'ceil_mode', 0) === 1) unsupported(application, 'ceil_mode 0', 'ceil_mode 1');
  const isPadded = window.pads.some((pad) => pad > 0);
  if (isPadded && intAttribute(application, 'count_include_pad', 0) === 0)
    unsupported(application, 'pads of 0 or count_include_pad 1', `pads [${window.pads}]`);
  const views = windowViews(tf, channelsLast(tf, padAround(tf, input(0), window.pads)), window);
  return channelsFirst(tf, tf.div(tf.addN(views), views.length));
};

const globalAveragePool: Op = ({ tf, input }) => {
  const spatial = input(0).shape.slice(2);
  const axes = spatial.map((_, axis) => axis + 2);
  return tf.mean(input(0), axes, true);
};

export const convolutionOps = {
  AveragePool: averagePool,
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: globalAveragePool,
} satisfies Readonly<Record<string, Op>>;
