import { describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { joinNarrowProducts } from '../../../../src/models/graph/passes/join-narrow.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

/** y = Σ (x Aᵢ) Bᵢ, with a node between the products. */
function adapted(columns: readonly number[], isTrained = true): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 7, 20]);
  const factors = columns.map((size, i) => {
    const [a, b] = [g.input(`a${i}`, 'float32', [20, size]), g.input(`b${i}`, 'float32', [size, 9])];
    return x
      .matMul(isTrained ? a : a.mul(2))
      .sin()
      .matMul(b);
  });
  g.output(
    factors.reduce((sum, term) => sum.add(term)),
    'y',
  );
  return g.build();
}

/** With the gradients of L = Σ y². */
function withGradients(graph: Graph): Graph {
  const g = GraphBuilder.from(graph);
  const y = g.value('y');
  const parameters = graph.inputs.map(({ name }) => g.value(name));
  for (const [i, gradient] of gradients(g, y.mul(y).sumAll(), parameters).entries())
    g.output(gradient, `d${(parameters[i] as Expression).name}`);
  return g.build();
}

/** Columns of the products of x. */
const columnsOf = ({ nodes }: Graph) =>
  nodes.flatMap(({ op, inputs: [x, matrix] }) =>
    op === 'MatMul' && x?.name === 'x' ? [matrix?.shape[1]] : [],
  );

describe('joinNarrowProducts', () => {
  it.each([
    [[4, 4, 4], [12]],
    [[4, 2], [6]],
    [
      [9, 8, 7, 1],
      [9, 16],
    ],
    [
      [17, 4],
      [17, 4],
    ],
  ])('should compute products of %o columns as %o, with the same gradients', async (columns, joint) => {
    const graph = adapted(columns);
    const joined = joinNarrowProducts(graph);
    expect(columnsOf(joined)).toEqual(joint);
    expect(deadNodes(joined)).toEqual([]);
    const [plain, other] = [withGradients(graph), withGradients(joined)];
    const feeds = Object.fromEntries(
      graph.inputs.map(({ name, shape }, i) => [name, randomTensor(i + 1, shape, 0.3)]),
    );
    const [expected, found] = [await runModel(engine, plain, feeds), await runModel(engine, other, feeds)];
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    for (const [name, values] of Object.entries(expected))
      expect(largestDifference(found[name] as Float32Array, values), name).toBeLessThan(5e-6);
  });

  it('should leave alone one product, and matrices that are computed or constant', () => {
    for (const graph of [adapted([4]), adapted([4, 4], false), constants()])
      expect(joinNarrowProducts(graph)).toEqual(graph);
    expect(countOps(joinNarrowProducts(adapted([4, 4])))).toMatchObject({ Concat: 1, Split: 1 });
  });
});

function constants(): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [7, 20]);
  const [left, right] = [1, 2].map((seed) => x.matMul(g.constant(randomTensor(seed, [20, 4]))));
  g.output((left as Expression).add(right as Expression), 'y');
  return g.build();
}
