import { int } from '../../../../src/models/graph/graph.js';
import type { OpName } from '../../../../src/models/graph/op-names.js';
import { int32, int64 } from '../../../../src/models/tensor.js';
import type { OpCase } from '../op-case.js';
import { distinct, linear, real, smooth } from '../op-case.js';

const SHAPE = [2, 3, 2];
const AXES: readonly (readonly number[] | undefined)[] = [[0], [1], [-1], [0, 2], [0, 1, 2], [], undefined];
const REDUCTIONS: readonly OpName[] = [
  'ReduceMax',
  'ReduceMean',
  'ReduceMin',
  'ReduceSum',
  'ReduceSumSquare',
];
const LINEAR = new Set<OpName>(['ReduceMean', 'ReduceSum']);

const reductions: readonly OpCase[] = REDUCTIONS.flatMap((name) =>
  AXES.flatMap((axes) =>
    [0, 1].map((keepdims) =>
      linear(
        name,
        `over ${axes ? `[${axes}]` : 'no axes given'}, keepdims ${keepdims}`,
        [name.startsWith('ReduceM') ? distinct(SHAPE) : real(SHAPE)],
        (x) =>
          x.graph.emit(name, axes ? [x, x.graph.constant(int64(axes))] : [x], { keepdims: int(keepdims) }),
        LINEAR.has(name) ? [[0]] : [],
      ),
    ),
  ),
);

const emptyAxes: readonly OpCase[] = (['ReduceSum', 'ReduceMax', 'ReduceSumSquare'] as const).map((name) =>
  smooth(name, 'over no axes at all', [distinct([2, 3])], (x) =>
    x.graph.emit(name, [x, x.graph.constant(int64([]))], { noop_with_empty_axes: int(1) }),
  ),
);

const alongAxis: readonly OpCase[] = [0, 1, 2, -1, -2].flatMap((axis) => [
  smooth('Softmax', `axis ${axis}`, [real(SHAPE)], (x) => x.softmax(axis)),
  smooth('LogSoftmax', `axis ${axis}`, [real(SHAPE)], (x) => x.logSoftmax(axis)),
]);

const runningSums: readonly OpCase[] = [0, 1, -1].flatMap((axis) =>
  [0, 1].flatMap((exclusive) =>
    [0, 1].map((reverse) =>
      linear('CumSum', `axis ${axis}, exclusive ${exclusive}, reverse ${reverse}`, [real(SHAPE)], (x) =>
        x.graph.emit(
          'CumSum',
          [x, x.graph.constant(axis === 0 ? int64([axis], []) : int32(Int32Array.of(axis), []))],
          {
            exclusive: int(exclusive),
            reverse: int(reverse),
          },
        ),
      ),
    ),
  ),
);

export const reductionCases: readonly OpCase[] = [
  ...reductions,
  ...emptyAxes,
  ...alongAxis,
  ...runningSums,
  smooth('Softmax', 'without an axis', [real(SHAPE)], (x) => x.graph.emit('Softmax', [x])),
  smooth('LogSoftmax', 'without an axis', [real(SHAPE)], (x) => x.graph.emit('LogSoftmax', [x])),
];
