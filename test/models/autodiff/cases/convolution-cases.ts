import { float, int, ints, text } from '../../../../src/models/graph/graph.js';
import {
  type ConvolutionOptions,
  conv,
  convTranspose,
} from '../../../../src/models/graph/ops/convolution.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import type { OpCase } from '../op-case.js';
import { frozen, linear, real } from '../op-case.js';

type Shape = readonly number[];
const CONVOLUTIONS: readonly (readonly [string, Shape, Shape, ConvolutionOptions])[] = [
  ['3x3, same size', [2, 2, 4, 3], [3, 2, 3, 3], { pads: [1, 1, 1, 1] }],
  ['1x1', [2, 3, 2, 2], [2, 3, 1, 1], {}],
  ['1x1 with padding', [1, 2, 2, 2], [2, 2, 1, 1], { pads: [1, 0, 0, 1] }],
  ['stride 2', [1, 2, 5, 5], [2, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }],
  ['stride 2, a row left over', [1, 2, 6, 5], [2, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }],
  ['stride 3, 2 left over', [1, 1, 7, 6], [2, 1, 2, 2], { strides: [3, 3] }],
  ['dilation 2', [1, 2, 5, 5], [2, 2, 2, 2], { dilations: [2, 2] }],
  [
    'dilation and stride',
    [1, 2, 6, 7],
    [2, 2, 2, 2],
    { dilations: [2, 3], strides: [2, 1], pads: [1, 0, 1, 2] },
  ],
  ['asymmetric pads', [1, 2, 3, 4], [2, 2, 2, 3], { pads: [0, 2, 1, 0] }],
  ['pads beyond the kernel', [1, 1, 2, 2], [1, 1, 2, 2], { pads: [2, 2, 2, 2] }],
  ['2 groups', [2, 4, 3, 3], [4, 2, 2, 2], { groups: 2 }],
  ['depthwise', [1, 3, 4, 3], [3, 1, 3, 2], { groups: 3, pads: [1, 0, 1, 0] }],
  [
    '2 groups, stride 2, dilated',
    [1, 4, 6, 5],
    [2, 2, 2, 2],
    { groups: 2, strides: [2, 2], dilations: [1, 2] },
  ],
  ['one axis', [2, 2, 6], [3, 2, 3], { strides: [2], pads: [1, 0] }],
  ['three axes', [1, 2, 3, 2, 3], [2, 2, 2, 1, 2], { pads: [0, 1, 0, 1, 0, 0] }],
];

const convolutions: readonly OpCase[] = CONVOLUTIONS.flatMap(([name, x, weight, options]) => [
  linear('Conv', name, [real(x), real(weight)], (a, w) => conv(a, w, undefined, options), [[0], [1]]),
  linear('Conv', `${name}, frozen weight`, [real(x), frozen(real(weight))], (a, w) =>
    conv(a, w, undefined, options),
  ),
  linear(
    'Conv',
    `${name}, with bias`,
    [real(x), real(weight), real([weight[0] ?? 1])],
    (a, w, b) => conv(a, w, b, options),
    [
      [0, 2],
      [1, 2],
    ],
  ),
]);

type Transposed = ConvolutionOptions & { readonly outputPadding?: Shape };
const TRANSPOSED: readonly (readonly [string, Shape, Shape, Transposed])[] = [
  ['stride 1', [2, 2, 3, 2], [2, 3, 2, 2], {}],
  ['stride 2', [1, 2, 3, 3], [2, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }],
  [
    'stride 2 with output padding',
    [1, 2, 2, 3],
    [2, 2, 3, 3],
    { strides: [2, 2], pads: [1, 1, 1, 1], outputPadding: [1, 1] },
  ],
  ['asymmetric pads, dilation', [1, 2, 3, 3], [2, 1, 2, 2], { dilations: [2, 1], pads: [1, 0, 0, 1] }],
  ['2 groups', [2, 4, 2, 2], [4, 3, 2, 2], { groups: 2, strides: [2, 1] }],
  ['one axis', [2, 2, 4], [2, 3, 3], { strides: [3], outputPadding: [2] }],
];

const transposedConvolutions: readonly OpCase[] = TRANSPOSED.flatMap(([name, x, weight, options]) => [
  linear('ConvTranspose', name, [real(x), real(weight)], (a, w) => convTranspose(a, w, options), [[0], [1]]),
  linear('ConvTranspose', `${name}, frozen weight`, [real(x), frozen(real(weight))], (a, w) =>
    convTranspose(a, w, options),
  ),
]);

const biased: OpCase = linear(
  'ConvTranspose',
  'with bias',
  [real([1, 2, 2, 2]), real([2, 4, 2, 2]), real([8])],
  (a, w, b) => a.graph.emit('ConvTranspose', [a, w, b], { strides: ints([2, 2]), group: int(2) }),
  [
    [0, 2],
    [1, 2],
  ],
);

/** Ways to say nearest-neighbor upsampling in which every element is repeated equally often. */
const RESIZES: readonly (readonly [string, string, string, readonly number[]])[] = [
  ['asymmetric', 'asymmetric', 'floor', [1, 1, 2, 2]],
  ['by 3 and 1', 'asymmetric', 'floor', [1, 1, 3, 1]],
  ['half_pixel', 'half_pixel', 'round_prefer_floor', [1, 1, 2, 3]],
  ['half_pixel, prefer ceil', 'half_pixel', 'round_prefer_ceil', [1, 1, 3, 2]],
  ['pytorch_half_pixel', 'pytorch_half_pixel', 'round_prefer_floor', [1, 1, 4, 2]],
  ['asymmetric, rounded', 'asymmetric', 'round_prefer_floor', [1, 1, 2, 2]],
  ['by 1', 'asymmetric', 'floor', [1, 1, 1, 1]],
];

const resampling: readonly OpCase[] = [
  ...RESIZES.map(([name, coordinates, rounding, scales]) =>
    linear('Resize', `${name}, by scales`, [real([2, 2, 2, 3])], (x) =>
      x.graph.emit('Resize', [x, undefined, x.graph.constant(float32(scales, [4]))], {
        mode: text('nearest'),
        coordinate_transformation_mode: text(coordinates),
        nearest_mode: text(rounding),
      }),
    ),
  ),
  linear('Resize', 'to sizes', [real([1, 2, 2, 3])], (x) =>
    x.graph.emit('Resize', [x, undefined, undefined, x.graph.constant(int64([1, 2, 4, 6]))], {
      mode: text('nearest'),
    }),
  ),
  linear('Resize', 'to sizes of two axes', [real([1, 2, 2, 3])], (x) =>
    x.graph.emit('Resize', [x, undefined, undefined, x.graph.constant(int64([4, 6]))], {
      mode: text('nearest'),
      axes: ints([2, -1]),
    }),
  ),
  linear('Resize', 'of one channel axis too', [real([1, 2, 2])], (x) =>
    x.graph.emit('Resize', [x, undefined, x.graph.constant(float32([1, 2, 3], [3]))], {
      mode: text('nearest'),
    }),
  ),
  linear('AveragePool', '2x2 by 2', [real([2, 2, 4, 4])], (x) =>
    x.graph.emit('AveragePool', [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
  ),
  linear('AveragePool', 'overlapping, stride 1', [real([1, 2, 4, 3])], (x) =>
    x.graph.emit('AveragePool', [x], { kernel_shape: ints([3, 2]) }),
  ),
  linear('AveragePool', 'stride 2, a row left over', [real([1, 2, 5, 4])], (x) =>
    x.graph.emit('AveragePool', [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
  ),
  linear('GlobalAveragePool', 'pictures', [real([2, 3, 2, 3])], (x) =>
    x.graph.emit('GlobalAveragePool', [x]),
  ),
  linear('GlobalAveragePool', 'rows', [real([2, 3, 4])], (x) => x.graph.emit('GlobalAveragePool', [x])),
];

/** Attributes that a loaded model may carry and that change nothing. */
const withDefaults: readonly OpCase[] = [
  linear('Conv', 'auto_pad NOTSET', [real([1, 1, 3, 3]), frozen(real([1, 1, 2, 2]))], (x, w) =>
    x.graph.emit('Conv', [x, w], { auto_pad: text('NOTSET'), group: int(1) }),
  ),
  linear('Gemm', 'beta without addend', [real([2, 2]), frozen(real([2, 2]))], (a, b) =>
    a.graph.emit('Gemm', [a, b], { beta: float(3) }),
  ),
];

export const convolutionCases: readonly OpCase[] = [
  ...convolutions,
  ...transposedConvolutions,
  biased,
  ...resampling,
  ...withDefaults,
];
