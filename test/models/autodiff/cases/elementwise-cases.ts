import type { Attributes } from '../../../../src/models/graph/graph.js';
import { float, text } from '../../../../src/models/graph/graph.js';
import type { OpName } from '../../../../src/models/graph/op-names.js';
import { elementCount, int64 } from '../../../../src/models/tensor.js';
import type { InputSpec, OpCase } from '../op-case.js';
import { frozen, linear, points, real, smooth, stepped, truths } from '../op-case.js';

const EVERYWHERE = [-5, -2, 0, 2, 5];
const NOT_AT_ZERO = [-5, -2, -0.1, 0.1, 2, 5];
const POSITIVE = [0.1, 0.5, 2, 5];

const unary = (name: OpName, values: readonly number[], attributes: Attributes = {}, note = ''): OpCase =>
  smooth(name, `at ${values.join(', ')}${note}`, [points(values)], (x) =>
    x.graph.emit(name, [x], attributes),
  );

const unaryCases: readonly OpCase[] = [
  unary('Abs', NOT_AT_ZERO),
  unary('Cos', EVERYWHERE),
  unary('Elu', NOT_AT_ZERO, { alpha: float(0.7) }),
  unary('Elu', NOT_AT_ZERO, {}, ', default alpha'),
  unary('Erf', EVERYWHERE),
  unary('Exp', EVERYWHERE),
  unary('Gelu', EVERYWHERE),
  unary('Gelu', EVERYWHERE, { approximate: text('tanh') }, ', by tanh'),
  unary('HardSigmoid', EVERYWHERE),
  unary('HardSigmoid', EVERYWHERE, { alpha: float(0.15), beta: float(0.4) }, ', own slope'),
  unary('LeakyRelu', NOT_AT_ZERO),
  unary('LeakyRelu', NOT_AT_ZERO, { alpha: float(0.3) }, ', own slope'),
  unary('Log', POSITIVE),
  unary('Reciprocal', [-5, -0.5, 0.5, 5]),
  unary('Relu', NOT_AT_ZERO),
  unary('Sigmoid', EVERYWHERE),
  unary('Sin', EVERYWHERE),
  unary('Softplus', EVERYWHERE),
  unary('Sqrt', POSITIVE),
  unary('Tanh', EVERYWHERE),
  linear('Identity', 'at -5 to 5', [points(EVERYWHERE)], (x) => x.identity()),
  linear('Neg', 'at -5 to 5', [points(EVERYWHERE)], (x) => x.neg()),
  smooth('Cast', 'to float64 and back', [points(EVERYWHERE)], (x) => x.cast('float64').cast('float32')),
  smooth('Clip', 'to both sides', [points(EVERYWHERE)], (x) => x.clip(-3, 3)),
  smooth('Clip', 'from below', [points(EVERYWHERE)], (x) => x.clip(-3)),
  smooth('Clip', 'from above', [points(EVERYWHERE)], (x) => x.clip(undefined, 3)),
];

/** Equal shapes, a scalar on each side, a row by a column, leading axes that only one side has. */
const BROADCASTS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], []],
  [[], [2, 3]],
  [
    [3, 1],
    [1, 4],
  ],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[3], [2, 2, 3]],
  [
    [1, 1],
    [2, 3],
  ],
];

type Range = (shape: readonly number[]) => InputSpec;
const BINARY_RANGES: readonly (readonly [OpName, Range, Range])[] = [
  ['Add', real, real],
  ['Div', real, (shape) => real(shape, 0.5, 2)],
  ['Max', (shape) => stepped(shape, 0), (shape) => stepped(shape, 0.25)],
  ['Min', (shape) => stepped(shape, 0), (shape) => stepped(shape, 0.25)],
  ['Mul', real, real],
  ['Pow', (shape) => real(shape, 0.5, 2), real],
  ['Sub', real, real],
];
const LINEAR_IN: Partial<Record<OpName, readonly (readonly number[])[]>> = {
  Add: [[0, 1]],
  Sub: [[0, 1]],
  Mul: [[0], [1]],
  Div: [[0]],
};

const binaryCases: readonly OpCase[] = BINARY_RANGES.flatMap(([name, left, right]) =>
  BROADCASTS.map(([a, b]) =>
    linear(
      name,
      `[${a}] with [${b}]`,
      [left(a), right(b)],
      (x, y) => x.graph.emit(name, [x, y]),
      LINEAR_IN[name] ?? [],
    ),
  ),
);

const alternating = (shape: readonly number[]): InputSpec =>
  truths(
    Array.from({ length: elementCount(shape) }, (_, i) => (i + 1) % 2),
    shape,
  );

/** Shapes of condition, first and second choice. */
const WHERES: readonly (readonly (readonly number[])[])[] = [
  [
    [2, 3],
    [2, 3],
    [2, 3],
  ],
  [[3, 1], [1, 4], []],
  [[], [2, 3], [3]],
  [[4], [2, 1, 4], [3, 1]],
  [[2, 1, 1], [3], [1, 1]],
];

const severalCases: readonly OpCase[] = [
  linear('Mul', 'by a frozen factor', [real([2, 3]), frozen(real([3]))], (x, y) =>
    x.graph.emit('Mul', [x, y]),
  ),
  linear('Mul', 'of one value with itself twice', [real([4])], (x) => x.mul(x).mul(x), []),
  smooth('Pow', 'negative base, whole exponent', [points([-2, -0.5, 0, 2])], (x) => x.pow(3)),
  smooth('Pow', 'an integer exponent', [real([4])], (x) =>
    x.graph.emit('Pow', [x, x.graph.constant(int64([2], []))]),
  ),
  smooth('Max', 'of three', [stepped([2, 3], 0), stepped([3], 0.2), stepped([], 0.35)], (x, y, z) =>
    x.graph.emit('Max', [x, y, z]),
  ),
  smooth('Min', 'of three', [stepped([2, 3], 0), stepped([3], 0.2), stepped([], -1.35)], (x, y, z) =>
    x.graph.emit('Min', [x, y, z]),
  ),
  smooth('Max', 'of one', [real([3])], (x) => x.graph.emit('Max', [x])),
  ...WHERES.map(([condition = [], a = [], b = []]) =>
    linear(
      'Where',
      `[${condition}] ? [${a}] : [${b}]`,
      [alternating(condition), real(a), real(b)],
      (c, x, y) => c.graph.emit('Where', [c, x, y]),
      [[1, 2]],
    ),
  ),
];

export const elementwiseCases: readonly OpCase[] = [...unaryCases, ...binaryCases, ...severalCases];
