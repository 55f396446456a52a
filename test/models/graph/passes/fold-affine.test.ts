import { describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { foldAffine } from '../../../../src/models/graph/passes/fold-affine.js';
import { deadNodes, largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

const [TOKENS, PICTURE] = [
  [2, 6, 5],
  [2, 5, 2, 3],
];
const random = (g: GraphBuilder, seed: number, shape: readonly number[]) =>
  g.constant(randomTensor(seed, shape));

const affine = (g: GraphBuilder, n: Expression, shape: readonly number[] = [5]) =>
  n.mul(random(g, 1, shape)).add(random(g, 2, shape));
const tokensOf = (picture: Expression) => picture.reshape([0, 5, -1]).transpose([0, 2, 1]);
const linear = (g: GraphBuilder, x: Expression, weight: Expression = random(g, 3, [5, 7])) =>
  x.matMul(weight).add(random(g, 4, [7]));

/** Elementwise operators on values as large as `shape`, in the forward pass. */
const passes = ({ nodes }: Graph, shape: readonly number[]) =>
  nodes.filter(
    ({ op, outputs: [y], forward }) =>
      !forward && ['Mul', 'Add'].includes(op) && y?.shape.join() === shape.join(),
  ).length;

describe('foldAffine', () => {
  it.each<[string, readonly number[], (g: GraphBuilder, n: Expression) => Expression]>([
    ['tokens', TOKENS, (g, n) => linear(g, affine(g, n))],
    ['one row', [5], (g, n) => linear(g, affine(g, n.reshape([1, 5])))],
    ['the channels of a picture', PICTURE, (g, n) => linear(g, tokensOf(affine(g, n, [5, 1, 1])))],
  ])('should compute the same, and the same gradient, without passes over %s', async (_, shape, build) => {
    const plain = forwardOf(shape, build);
    const [graph, folded] = [withGradient(plain), withGradient(foldAffine(plain))];
    const size = shape.length === 1 ? [1, 5] : shape;
    expect([passes(graph, size), passes(folded, size)]).toEqual([2, 0]);
    expect(deadNodes(folded)).toEqual([]);
    const feeds = { n: randomTensor(5, shape) };
    const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, folded, feeds)];
    for (const [name, values] of Object.entries(expected))
      expect(largestDifference(found[name] as Float32Array, values), name).toBeLessThan(5e-6);
  });

  it.each<[string, readonly number[], (g: GraphBuilder, n: Expression) => Expression]>([
    ['a second reader', TOKENS, (g, n) => ((x) => linear(g, x).add(x.reduceSum([-1])))(affine(g, n))],
    ['a scale that is no constant', TOKENS, (g, n) => linear(g, n.mul(n).add(random(g, 2, [5])))],
    ['a scale for every position', TOKENS, (g, n) => linear(g, affine(g, n, [6, 5]))],
    ['one scale for all', TOKENS, (g, n) => linear(g, affine(g, n, [1]))],
    ['a scale along another axis', [2, 5, 5], (g, n) => linear(g, affine(g, n, [5, 1]))],
    ['a matrix that is an input', TOKENS, (g, n) => linear(g, affine(g, n), g.input('w', 'float32', [5, 7]))],
    ['no bias behind the matrix', TOKENS, (g, n) => affine(g, n).matMul(random(g, 3, [5, 7]))],
    [
      'rows of a picture as channels',
      PICTURE,
      (g, n) => linear(g, affine(g, n, [5, 1, 1]).reshape([2, 6, 5])),
    ],
  ])('should leave %s alone', (_, shape, build) => {
    const graph = forwardOf(shape, build);
    expect(foldAffine(graph)).toEqual(graph);
  });
});

function forwardOf(shape: readonly number[], build: (g: GraphBuilder, n: Expression) => Expression): Graph {
  const g = new GraphBuilder();
  g.output(build(g, g.input('n', 'float32', shape)), 'y');
  return g.build();
}

/** With dL/dn for L = Σ y². */
function withGradient(graph: Graph): Graph {
  const g = GraphBuilder.from(graph);
  const y = g.value('y');
  const [dn] = gradients(g, y.mul(y).sumAll(), [g.value('n')]) as [Expression];
  g.output(dn, 'dn');
  return g.build();
}
