/** @file A normalization as it was built, as it comes back from a file, and as it is differentiated: one function. */

import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import type { Attributes, Graph, Value } from '../../../../src/models/graph/graph.js';
import { int } from '../../../../src/models/graph/graph.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import type { OpName } from '../../../../src/models/graph/op-names.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { lowerForTraining } from '../../../../src/models/graph/passes/lower.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { elementCount, float32 } from '../../../../src/models/tensor.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { createDraw } from '../../autodiff/check-gradient.js';
import { runGraph } from '../run-graph.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const SHAPE = [2, 4, 3, 2];
function random(shape: readonly number[], seed: number): Tensor<'float32'> {
  const draw = createDraw(seed);
  return float32(
    Float32Array.from({ length: elementCount(shape) }, () => 2 * draw() - 0.5),
    shape,
  );
}

function model(name: OpName, width: readonly number[], attributes: Attributes): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', SHAPE);
  const [scale, bias] = [g.initializer('scale', random(width, 1)), g.initializer('bias', random(width, 2))];
  g.output(g.emit(name, [x, scale, bias], attributes)[0] as Value, 'y');
  return g.build();
}

/** y and dL/dx of a graph under a random weighting of y. */
async function observe(graph: Graph): Promise<number[][]> {
  const g = GraphBuilder.from(graph);
  const y = g.value('y');
  g.clearOutputs();
  const loss = y.mul(g.constant(random(SHAPE, 3))).sumAll();
  return runGraph(engine, g, [y, ...gradients(g, loss, [g.value('x')])], { x: random(SHAPE, 4) });
}

describe('the forms of a normalization', () => {
  it.each<[OpName, readonly number[], Attributes]>([
    ['GroupNormalization', [2], { num_groups: int(2) }],
    ['GroupNormalization', [4], { num_groups: int(4) }],
    ['InstanceNormalization', [4], {}],
    ['LayerNormalization', [2], {}],
    ['LayerNormalization', [3, 2], { axis: int(2) }],
  ])('should agree in value and gradient: %s with scale [%s]', async (name, width, attributes) => {
    const built = model(name, width, attributes);
    const expected = (await observe(built)).map((values) => values.map((value) => expect.closeTo(value, 4)));
    expect(await observe(lowerForTraining(built))).toEqual(expected);
    const bytes = encodeGraph(built, { symbolicAxes: { x: ['batch'], y: ['batch'] } });
    const prepared = await prepareGraph(engine, bytes, { label: name, inputShapes: { x: SHAPE } });
    expect(await observe(prepared)).toEqual(expected);
    expect(await observe(lowerForTraining(prepared))).toEqual(expected);
  });
});
