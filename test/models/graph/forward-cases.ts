/** @file Cases of the operators that have no derivative; together with the gradient cases there is one for every operator. */

import { int } from '../../../src/models/graph/graph.js';
import type { OpName } from '../../../src/models/graph/op-names.js';
import { int64 } from '../../../src/models/tensor.js';
import type { OpCase } from '../autodiff/op-case.js';
import { smooth as forwardCase, integers, real, truths } from '../autodiff/op-case.js';

const COMPARISONS: readonly OpName[] = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'];

export const FORWARD_CASES: readonly OpCase[] = [
  forwardCase('Ceil', 'a vector', [real([3])], (x) => x.graph.emit('Ceil', [x])),
  forwardCase('Floor', 'a scalar', [real([])], (x) => x.graph.emit('Floor', [x])),
  forwardCase('Not', 'a table', [truths([1, 0, 1, 0], [2, 2])], (x) => x.not()),
  forwardCase('And', 'broadcast', [truths([1, 0], [2, 1]), truths([1, 0, 1])], (x, y) => x.and(y)),
  forwardCase('Or', 'broadcast', [truths([1, 0, 1]), truths([1, 0], [2, 1])], (x, y) => x.or(y)),
  ...COMPARISONS.flatMap((name) => [
    forwardCase(name, 'broadcast', [real([2, 1]), real([1, 3])], (x, y) => x.graph.emit(name, [x, y])),
    forwardCase(name, 'of integers', [integers([1, 2]), integers([2], [])], (x, y) =>
      x.graph.emit(name, [x, y]),
    ),
  ]),
  ...[0, 1, -1].flatMap((axis) =>
    [0, 1].map((keepdims) =>
      forwardCase('ArgMax', `axis ${axis}, keepdims ${keepdims}`, [real([2, 3, 2])], (x) =>
        x.graph.emit('ArgMax', [x], { axis: int(axis), keepdims: int(keepdims) }),
      ),
    ),
  ),
  ...(['float32', 'float64', 'float16', 'int64', 'int32', 'uint8', 'bool'] as const).map((type) =>
    forwardCase('Cast', `to ${type}`, [real([2, 2])], (x) => x.cast(type)),
  ),
  forwardCase('Add', 'of integers', [integers([1, 2]), integers([3], [])], (x, y) => x.add(y)),
  forwardCase('Where', 'of integers', [truths([1, 0]), integers([1], []), integers([3], [1, 1])], (c, x, y) =>
    c.where(x, y),
  ),
  forwardCase('Pow', 'a scalar to the power of a table', [real([], 1, 2), real([2, 2])], (x, y) => x.pow(y)),
  forwardCase('Slice', 'nothing left', [real([3, 4])], (x) => x.slice({ starts: [2], ends: [1], axes: [1] })),
  forwardCase('Slice', 'a backward start before the front', [real([3, 4])], (x) =>
    x.slice({ starts: [-100], ends: [-1000], axes: [1], steps: [-1] }),
  ),
  forwardCase('Reshape', 'more zeros and a rest', [real([2, 3, 4])], (x) => x.reshape([0, 0, 2, -1])),
  forwardCase('Squeeze', 'a negative axis', [real([2, 1])], (x) => x.squeeze([-1])),
  forwardCase('Split', 'into many', [real([2, 7])], (x) =>
    x.graph.emit('Split', [x], { axis: int(1), num_outputs: int(4) }),
  ),
  forwardCase('Expand', 'to a shape of lower rank', [real([2, 1, 1])], (x) =>
    x.graph.emit('Expand', [x, x.graph.constant(int64([3]))]),
  ),
  forwardCase('Flatten', 'a vector, axis 0', [real([4])], (x) =>
    x.graph.emit('Flatten', [x], { axis: int(0) }),
  ),
];
