import { float, int } from '../../../../src/models/graph/graph.js';
import type { OpCase } from '../op-case.js';
import { frozen, linear, real } from '../op-case.js';

const MATMULS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [3, 4],
  ],
  [
    [2, 2, 3],
    [3, 2],
  ],
  [
    [2, 1, 2, 3],
    [3, 2],
  ],
  [
    [2, 3],
    [4, 3, 2],
  ],
  [
    [2, 2, 3],
    [2, 3, 2],
  ],
  [
    [2, 1, 2, 3],
    [3, 3, 2],
  ],
  [
    [1, 2, 3],
    [2, 3, 2],
  ],
  // Narrow, flat and large matrices: their gradients are other products.
  [
    [2, 3, 4],
    [4, 2],
  ],
  [
    [2, 3, 2],
    [2, 4],
  ],
  [
    [2, 2, 16],
    [16, 17],
  ],
];

const matMuls: readonly OpCase[] = MATMULS.flatMap(([a, b]) => [
  linear('MatMul', `[${a}] x [${b}]`, [real(a), real(b)], (x, y) => x.matMul(y), [[0], [1]]),
  linear('MatMul', `[${a}] x frozen [${b}]`, [real(a), frozen(real(b))], (x, y) => x.matMul(y)),
]);

const gemms: readonly OpCase[] = [0, 1].flatMap((transA) =>
  [0, 1].flatMap((transB) =>
    [[3, 4], [4], [3, 1], [1], []].map((addend, i) =>
      linear(
        'Gemm',
        `transA ${transA}, transB ${transB}, addend [${addend}]`,
        [real(transA ? [2, 3] : [3, 2]), real(transB ? [4, 2] : [2, 4]), real(addend)],
        (a, b, c) =>
          a.graph.emit('Gemm', [a, b, c], {
            transA: int(transA),
            transB: int(transB),
            ...(i % 2 === 0 ? { alpha: float(0.5), beta: float(-1.5) } : {}),
          }),
        [
          [0, 2],
          [1, 2],
        ],
      ),
    ),
  ),
);

export const linearCases: readonly OpCase[] = [
  ...matMuls,
  ...gemms,
  linear('Gemm', 'without addend', [real([3, 2]), real([2, 4])], (a, b) => a.gemm(b), [[0], [1]]),
  linear(
    'Gemm',
    'scaled, without addend',
    [real([3, 2]), real([2, 4])],
    (a, b) => a.graph.emit('Gemm', [a, b], { alpha: float(-2) }),
    [[0], [1]],
  ),
];
