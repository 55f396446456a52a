import { int, text } from '../../../../src/models/graph/graph.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { concat, type SliceBounds } from '../../../../src/models/graph/ops/expression.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import type { OpCase } from '../op-case.js';
import { integers, linear, real } from '../op-case.js';

const X = real([3, 4]);

const joining: readonly OpCase[] = [
  linear(
    'Concat',
    'axis 1, three parts',
    [real([2, 1]), real([2, 3]), real([2, 2])],
    (...x) => concat(x, 1),
    [[0, 1, 2]],
  ),
  linear('Concat', 'axis -2', [real([1, 2]), real([3, 2])], (...x) => concat(x, -2), [[0, 1]]),
  linear('Concat', 'one value twice', [real([2, 2])], (x) => concat([x, x], 0)),
  linear('Split', 'axis 1', [X], (x) => x.split([1, 3], 1)),
  linear('Split', 'axis -2, an unused part', [X], (x) => x.split([1, 1, 1], -2).slice(1, 2)),
  linear('Split', 'axis 1, only the last part used', [X], (x) => x.split([1, 1, 2], 1).slice(2)),
  linear('Split', 'uneven num_outputs', [real([5, 2])], (x) =>
    x.graph.emit('Split', [x], { num_outputs: int(2) }),
  ),
];

const SLICES: readonly (readonly [string, SliceBounds])[] = [
  ['one axis', { starts: [1], ends: [3], axes: [1] }],
  ['two axes', { starts: [1, 0], ends: [3, 2], axes: [0, 1] }],
  ['counted from the end', { starts: [-3], ends: [-1], axes: [-1] }],
  ['beyond the end', { starts: [1], ends: [1000], axes: [0] }],
  ['the whole', { starts: [-1000], ends: [1000], axes: [1] }],
  ['step 2', { starts: [0], ends: [4], axes: [1], steps: [2] }],
  [
    'step 2 from 1, one step on the other axis',
    { starts: [1, 1], ends: [4, 3], axes: [1, 0], steps: [2, 1] },
  ],
  ['step 3', { starts: [0], ends: [1000], axes: [1], steps: [3] }],
  ['backwards', { starts: [-1], ends: [-1000], axes: [1], steps: [-1] }],
  ['backwards by 2', { starts: [3], ends: [0], axes: [1], steps: [-2] }],
  ['backwards on both axes', { starts: [2, 1000], ends: [0, -1000], axes: [0, 1], steps: [-1, -3] }],
];

const slicing: readonly OpCase[] = [
  ...SLICES.map(([name, bounds]) => linear('Slice', name, [X], (x) => x.slice(bounds))),
  linear('Slice', 'without axes', [X], (x) =>
    x.graph.emit('Slice', [x, x.graph.constant(int64([1, 1])), x.graph.constant(int64([2, 3]))]),
  ),
  linear('Pad', 'both ends', [real([2, 3])], (x) => x.pad([1, 0, 2, 1])),
  linear('Pad', 'of one axis', [real([2, 3])], (x) =>
    x.graph.emit('Pad', [x, x.graph.constant(int64([2, 1])), undefined, x.graph.constant(int64([-1]))]),
  ),
  linear('Pad', 'that crops', [real([3, 4])], (x) => x.pad([-1, 2, 0, -1])),
];

const gathers: readonly OpCase[] = [
  linear('Gather', 'axis 0, repeated', [X, integers([2, 0, 2, 2])], (x, i) => x.gather(i)),
  linear('Gather', 'axis 1, repeated', [X, integers([3, 0, 3])], (x, i) => x.gather(i, 1)),
  linear('Gather', 'axis -1, from the end', [X, integers([-1, 0, -1])], (x, i) => x.gather(i, -1)),
  linear('Gather', 'one index', [X, integers([1], [])], (x, i) => x.gather(i, 1)),
  linear('Gather', 'a table of indices', [X, integers([0, 2, 1, 1, 0, 2], [3, 2])], (x, i) => x.gather(i)),
  linear(
    'Gather',
    'a table of indices, middle axis',
    [real([2, 3, 2]), integers([0, 2, 2, 1], [2, 2], 'int32')],
    (x, i) => x.gather(i, 1),
  ),
  ...[0, 1, -1].map((axis) =>
    linear(
      'GatherElements',
      `axis ${axis}, repeated and from the end`,
      [X, integers([0, 2, 2, -1, 1, 0], [2, 3])],
      (x, i) => x.graph.emit('GatherElements', [x, i], { axis: int(axis) }),
    ),
  ),
  linear(
    'GatherElements',
    'middle axis',
    [real([2, 3, 2]), integers([2, 0, -3, 2], [2, 1, 2], 'int32')],
    (x, i) => x.graph.emit('GatherElements', [x, i], { axis: int(1) }),
  ),
  linear(
    'ScatterND',
    'add, repeated places',
    [X, integers([2, 0, 2], [3, 1]), real([3, 4])],
    (x, i, u) => x.scatterAdd(i, u),
    [[0, 2]],
  ),
  linear('ScatterND', 'add into zeros', [real([2, 2, 3]), integers([1, 3, 1, -1], [2, 2, 1])], (u, i) =>
    u.graph.constant(float32(new Float32Array(12), [4, 3])).scatterAdd(i, u),
  ),
];

const shapes: readonly OpCase[] = [
  ...([[1, 4], [3, 1], [3, 4], [1]] as const).map((shape) =>
    linear('Expand', `[${shape}] to [2, 3, 4]`, [real(shape)], (x) => x.expand([2, 3, 4])),
  ),
  linear('Expand', 'by a one that keeps', [X], (x) => x.expand([1, 1])),
  ...[0, 1, 2, 3, -1].map((axis) =>
    linear('Flatten', `axis ${axis}`, [real([2, 3, 2])], (x) =>
      x.graph.emit('Flatten', [x], { axis: int(axis) }),
    ),
  ),
  linear('Reshape', '[0, -1]', [real([2, 3, 2])], (x) => x.reshape([0, -1])),
  linear('Reshape', 'to a new rank', [X], (x) => x.reshape([2, -1, 1, 3])),
  linear('Reshape', 'to a scalar', [real([1, 1])], (x) => x.reshape([])),
  linear('Squeeze', 'given axes', [real([1, 3, 1])], (x) => x.squeeze([0])),
  linear('Squeeze', 'all axes', [real([1, 3, 1])], (x) => x.graph.emit('Squeeze', [x])),
  linear('Unsqueeze', 'axes 0 and -1', [real([3])], (x) => x.unsqueeze([0, -1])),
  linear('Tile', 'both axes', [real([2, 3])], (x) => x.tile([2, 3])),
  linear('Tile', 'one axis of three', [real([2, 1, 2])], (x) => x.tile([1, 4, 1])),
  linear('Transpose', 'given order', [real([2, 3, 4])], (x) => x.transpose([1, 2, 0])),
  linear('Transpose', 'reversed', [real([2, 3, 4])], (x) => x.graph.emit('Transpose', [x])),
];

const SUBPIXELS = ['DCR', 'CRD'] as const;
const subpixels: readonly OpCase[] = SUBPIXELS.map((mode) =>
  linear('DepthToSpace', mode, [real([2, 8, 1, 2])], (x: Expression) =>
    x.graph.emit('DepthToSpace', [x], { blocksize: int(2), mode: text(mode) }),
  ),
);

export const movementCases: readonly OpCase[] = [...joining, ...slicing, ...gathers, ...shapes, ...subpixels];
