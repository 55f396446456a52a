/** @file Cases of the operators that have no derivative; together with the gradient cases there is one for every operator. */

import { int } from '../../../src/models/graph/graph.js';
import type { OpName } from '../../../src/models/graph/op-names.js';
import * as op from '../../../src/models/graph/ops/index.js';
import { int64 } from '../../../src/models/tensor.js';
import type { OpCase } from '../autodiff/op-case.js';
import { smooth as forwardCase, integers, real, truths } from '../autodiff/op-case.js';

const COMPARISONS: readonly OpName[] = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'];

export const FORWARD_CASES: readonly OpCase[] = [
  forwardCase('Ceil', 'a vector', [real([3])], (g, x) => g.emit('Ceil', [x])),
  forwardCase('Floor', 'a scalar', [real([])], (g, x) => g.emit('Floor', [x])),
  forwardCase('Not', 'a table', [truths([1, 0, 1, 0], [2, 2])], (g, x) => op.not(g, x)),
  forwardCase('And', 'broadcast', [truths([1, 0], [2, 1]), truths([1, 0, 1])], (g, x, y) => op.and(g, x, y)),
  forwardCase('Or', 'broadcast', [truths([1, 0, 1]), truths([1, 0], [2, 1])], (g, x, y) => op.or(g, x, y)),
  ...COMPARISONS.flatMap((name) => [
    forwardCase(name, 'broadcast', [real([2, 1]), real([1, 3])], (g, x, y) => g.emit(name, [x, y])),
    forwardCase(name, 'of integers', [integers([1, 2]), integers([2], [])], (g, x, y) =>
      g.emit(name, [x, y]),
    ),
  ]),
  ...[0, 1, -1].flatMap((axis) =>
    [0, 1].map((keepdims) =>
      forwardCase('ArgMax', `axis ${axis}, keepdims ${keepdims}`, [real([2, 3, 2])], (g, x) =>
        g.emit('ArgMax', [x], { axis: int(axis), keepdims: int(keepdims) }),
      ),
    ),
  ),
  ...(['float32', 'float64', 'float16', 'int64', 'int32', 'uint8', 'bool'] as const).map((type) =>
    forwardCase('Cast', `to ${type}`, [real([2, 2])], (g, x) => op.cast(g, x, type)),
  ),
  forwardCase('Add', 'of integers', [integers([1, 2]), integers([3], [])], (g, x, y) => op.add(g, x, y)),
  forwardCase(
    'Where',
    'of integers',
    [truths([1, 0]), integers([1], []), integers([3], [1, 1])],
    (g, c, x, y) => op.where(g, c, x, y),
  ),
  forwardCase('Pow', 'a scalar to the power of a table', [real([], 1, 2), real([2, 2])], (g, x, y) =>
    op.pow(g, x, y),
  ),
  forwardCase('Slice', 'nothing left', [real([3, 4])], (g, x) =>
    op.slice(g, x, { starts: [2], ends: [1], axes: [1] }),
  ),
  forwardCase('Slice', 'a backward start before the front', [real([3, 4])], (g, x) =>
    op.slice(g, x, { starts: [-100], ends: [-1000], axes: [1], steps: [-1] }),
  ),
  forwardCase('Reshape', 'more zeros and a rest', [real([2, 3, 4])], (g, x) =>
    op.reshape(g, x, [0, 0, 2, -1]),
  ),
  forwardCase('Squeeze', 'a negative axis', [real([2, 1])], (g, x) => op.squeeze(g, x, [-1])),
  forwardCase('Split', 'into many', [real([2, 7])], (g, x) =>
    g.emit('Split', [x], { axis: int(1), num_outputs: int(4) }),
  ),
  forwardCase('Expand', 'to a shape of lower rank', [real([2, 1, 1])], (g, x) =>
    g.emit('Expand', [x, g.constant(int64([3]))]),
  ),
  forwardCase('Flatten', 'a vector, axis 0', [real([4])], (g, x) => g.emit('Flatten', [x], { axis: int(0) })),
];
