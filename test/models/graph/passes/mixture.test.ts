import { describe, expect, it } from 'vitest';
import type { SegmentOf } from '../../../../src/models/autodiff/recomputation.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { gatherMixtures, writeMixtures } from '../../../../src/models/graph/passes/mixture.js';
import { attention, SIZES, type Sizes, withGradients } from '../../../fixtures/attention-graph.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

async function expectAlike(graph: Graph, other: Graph): Promise<void> {
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, shape }, i) => [name, randomTensor(i + 1, shape)]),
  );
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, other, feeds)];
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected))
    expect(largestDifference(found[name] as Float32Array, values), name).toBeLessThan(1e-5);
}

const MANY_KEYS: Sizes = { ...SIZES, keys: 9 };
const elements = ({ nodes }: Graph) =>
  nodes.filter(({ op }) => op === 'ReduceSum').map(({ inputs: [x] }) => x?.shape.join());

describe('mixtures', () => {
  it.each<[string, Sizes, SegmentOf | undefined]>([
    ['kept', MANY_KEYS, undefined],
    ['made again', MANY_KEYS, () => 'all'],
    ['kept, one stack', { ...MANY_KEYS, stack: [4] }, undefined],
    ['kept, no stack', { ...MANY_KEYS, stack: [] }, undefined],
  ])(
    'should compute the same, and the same gradients; the forward pass is %s',
    async (_, sizes, segmentOf) => {
      const plain = attention(sizes).build();
      const gathered = gatherMixtures(plain);
      expect(countOps(gathered)).toMatchObject({ Mixture: 1, MatMul: 1 });
      expect(countOps(gathered).Softmax).toBeUndefined();
      const [graph, written] = [plain, gathered].map((one) => withGradients(one, segmentOf).build()) as [
        Graph,
        Graph,
      ];
      const final = writeMixtures(written);
      expect(countOps(final).Mixture).toBeUndefined();
      expect(deadNodes(final)).toEqual([]);
      // The sums of the gradient run over the elements of a head, no longer over those of all keys.
      expect(elements(graph)).toContain([...sizes.stack, 7, 9].join());
      expect(elements(final)).not.toContain([...sizes.stack, 7, 9].join());
      await expectAlike(graph, final);
    },
  );

  it.each<[string, (s: Expression, v: Expression) => Expression]>([
    ['few keys', (s, v) => s.softmax().matMul(v)],
    ['another axis', (s, v) => wide(s).softmax(-2).matMul(wide(v))],
    [
      'one value for a stack',
      (s, v) =>
        wide(s)
          .softmax()
          .matMul(v.graph.constant(randomTensor(1, [8, 4]))),
    ],
    [
      'weights with another reader',
      (s, v) => ((p) => p.matMul(wide(v)).add(p.reduceSum([-1])))(wide(s).softmax()),
    ],
    ['no softmax', (s, v) => s.matMul(v)],
  ])('should leave %s alone', (_, build) => {
    const g = new GraphBuilder();
    g.output(build(g.input('s', 'float32', [2, 5, 4]), g.input('v', 'float32', [2, 4, 8])), 'y');
    const graph = g.build();
    expect(gatherMixtures(graph)).toEqual(graph);
  });
});

/** s [2, 5, 4] as [2, 5, 8], v [2, 4, 8] as [2, 8, 4]: more keys than elements. */
const wide = (x: Expression): Expression =>
  x.shape[1] === 4 ? x.reshape([2, 8, 4]) : x.reshape([2, 5, 4]).tile([1, 1, 2]);
