/** @file What the rules do where a function has no derivative, against the conventions of PyTorch. */

import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { float, int } from '../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../src/models/graph/ops/expression.js';
import { float32, int64 } from '../../../src/models/tensor.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { runGraph } from '../graph/run-graph.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

type Edge = readonly [
  string,
  readonly (readonly number[])[],
  (...x: Expression[]) => Expression,
  readonly (readonly number[])[],
];
const first = (values: Expression[]) => values[0] as Expression;

const EDGES: readonly Edge[] = [
  ['Abs at 0 is flat', [[0]], (x) => x.abs(), [[0]]],
  ['Relu at 0 is flat', [[0, -0]], (x) => x.relu(), [[0, 0]]],
  ['LeakyRelu at 0 has the lower slope', [[0]], (x) => x.leakyRelu(0.25), [[0.25]]],
  [
    'Elu at 0 has the lower slope',
    [[0]],
    (x) => first(x.graph.emit('Elu', [x], { alpha: float(0.5) })),
    [[0.5]],
  ],
  [
    'HardSigmoid at its ends is flat',
    [[-3, 3]],
    (x) => first(x.graph.emit('HardSigmoid', [x], { alpha: float(0.25), beta: float(0.25) })),
    [[0, 0]],
  ],
  ['Clip lets through at its bounds', [[-1, 2, 3, -2]], (x) => x.clip(-1, 2), [[1, 1, 0, 0]]],
  [
    'Max shares between two equals',
    [
      [1, 2],
      [1, 3],
    ],
    (...x) => first(first(x).graph.emit('Max', x)),
    [
      [0.5, 0],
      [0.5, 1],
    ],
  ],
  [
    'Min shares between three equals',
    [[3], [3], [3]],
    (...x) => first(first(x).graph.emit('Min', x)),
    [[1 / 3], [1 / 3], [1 / 3]],
  ],
  ['ReduceMax shares between equals', [[4, 1, 4, 4]], (x) => x.reduceMax([0]), [[1 / 3, 0, 1 / 3, 1 / 3]]],
  [
    'ReduceMin shares between equals',
    [[4, 1, 1, 4]],
    (x) => first(x.graph.emit('ReduceMin', [x, x.graph.constant(int64([-1]))], { keepdims: int(0) })),
    [[0, 0.5, 0.5, 0]],
  ],
  ['Pow of 0 by 2 is flat', [[0]], (x) => x.pow(2), [[0]]],
];

describe('gradient conventions', () => {
  it.each(EDGES)('should hold: %s', async (_name, inputs, build, expected) => {
    const g = new GraphBuilder();
    const x = inputs.map((values, i) => g.input(`x${i}`, 'float32', [values.length]));
    const found = gradients(g, build(...x).sumAll(), x);
    const feeds = Object.fromEntries(inputs.map((values, i) => [`x${i}`, float32(values, [values.length])]));
    const results = await runGraph(engine, g, found, feeds);
    expect(results).toEqual(
      expected.map((values) => [...Float32Array.from(values)].map((value) => expect.closeTo(value, 6))),
    );
  });
});
