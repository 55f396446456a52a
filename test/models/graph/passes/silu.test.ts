import { describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { SegmentOf } from '../../../../src/models/autodiff/recomputation.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { gatherSilu, writeSilu } from '../../../../src/models/graph/passes/silu.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

const X = [3, 40] as const;

function graphOf(build: (x: Expression) => Expression): Graph {
  const g = new GraphBuilder();
  g.output(build(g.input('x', 'float32', X)), 'y');
  return g.build();
}

/** With dL/dx for L = Σ y². */
function withGradient(graph: Graph, segmentOf?: SegmentOf): Graph {
  const g = GraphBuilder.from(graph);
  const y = g.value('y');
  const [dx] = gradients(g, y.mul(y).sumAll(), [g.value('x')], { segmentOf }) as [Expression];
  g.output(dx, 'dx');
  return g.build();
}

async function expectSameFunction(graph: Graph, other: Graph): Promise<void> {
  const feeds = { x: randomTensor(1, X, 4) };
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, other, feeds)];
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected))
    expect(largestDifference(found[name] as Float32Array, values), name).toBeLessThan(1e-6);
}

describe('gatherSilu', () => {
  it.each<[string, SegmentOf | undefined]>([
    ['kept', undefined],
    ['computed again', () => 'all'],
  ])('should give the same gradient in fewer passes, where the forward pass is %s', async (_, segmentOf) => {
    const plain = graphOf((x) => x.silu().mul(2).silu());
    const gathered = gatherSilu(plain);
    expect(countOps(gathered)).toMatchObject({ Silu: 2, Mul: 1 });
    const [expected, found] = [plain, gathered].map((graph) => withGradient(graph, segmentOf)) as [
      Graph,
      Graph,
    ];
    const written = writeSilu(found);
    expect(countOps(written).Silu).toBeUndefined();
    expect(written.nodes.length).toBeLessThan(expected.nodes.length);
    expect(deadNodes(written)).toEqual([]);
    await expectSameFunction(expected, written);
  });

  it('should take the gate from either side', async () => {
    const graph = graphOf((x) => x.sigmoid().mul(x));
    expect(countOps(gatherSilu(graph))).toMatchObject({ Silu: 1 });
    await expectSameFunction(graph, writeSilu(gatherSilu(graph)));
  });

  it.each<[string, (x: Expression) => Expression]>([
    ['a gate of another value', (x) => x.mul(x.neg().sigmoid())],
    ['a gate with another reader', (x) => ((gate) => x.mul(gate).add(gate))(x.sigmoid())],
    ['a square', (x) => x.mul(x)],
  ])('should leave %s alone', (_, build) => {
    const graph = graphOf(build);
    expect(gatherSilu(graph)).toEqual(graph);
  });
});
