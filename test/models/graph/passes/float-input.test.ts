import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { withFloatInput } from '../../../../src/models/graph/passes/float-input.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import { countOps, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

/** A graph of one integer input, by what is made of it. */
function graphOf(
  shape: readonly number[],
  build: (g: GraphBuilder, timestep: Expression) => Expression,
): Graph {
  const g = new GraphBuilder();
  g.output(build(g, g.input('timestep', 'int64', shape)), 'y');
  return g.build();
}

describe('withFloatInput', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = sharedEngine();
  });

  const halves = (g: GraphBuilder, x: Expression) => g.constant(float32([0.5], [1])).mul(x.cast('float32'));

  it.each([
    ['a vector that is cast', [2], halves],
    ['a scalar that is spread first', [], (g, x) => halves(g, x.unsqueeze([0]).expand([2]))],
    ['casts between integers on the way', [2], (g, x) => halves(g, x.cast('int32').cast('int64'))],
    ['two uses', [2], (g, x) => halves(g, x).add(x.cast('float32'))],
  ] as [string, number[], (g: GraphBuilder, x: Expression) => Expression][])(
    'should compute the same of %s, without a cast',
    async (_, shape, build) => {
      const graph = graphOf(shape, build);
      const taken = withFloatInput(graph, 'timestep');
      expect(taken.inputs).toEqual([{ name: 'timestep', type: 'float32', shape }]);
      expect(countOps(taken).Cast ?? 0).toBe(0);
      const steps = shape.length === 0 ? [961] : [961, 3];
      const before = await runModel(engine, graph, { timestep: int64(steps, shape) });
      expect(await runModel(engine, taken, { timestep: float32(steps, shape) })).toEqual(before);
    },
  );

  it.each([
    ['is computed with', [2], (g, x) => x.add(g.constant(int64([1]))).cast('float32')],
    ['says where to look', [2], (g, x) => g.constant(float32([1, 2, 3], [3])).gather(x)],
    ['is an output', [2], (_, x) => x],
    ['becomes another type', [2], (_, x) => x.cast('float64')],
  ] as [string, number[], (g: GraphBuilder, x: Expression) => Expression][])(
    'should leave a graph alone whose input %s as an integer',
    (_, shape, build) => {
      const graph = graphOf(shape, build);
      expect(withFloatInput(graph, 'timestep')).toBe(graph);
    },
  );

  it('should leave a float input alone, and one that is not there', () => {
    const g = new GraphBuilder();
    g.output(g.input('timestep', 'float32', [1]).exp(), 'y');
    const graph = g.build();
    expect(withFloatInput(graph, 'timestep')).toBe(graph);
    expect(withFloatInput(graph, 'sample')).toBe(graph);
  });
});
