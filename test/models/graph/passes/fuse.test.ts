import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import type { Graph, Value } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { fuseForInference } from '../../../../src/models/graph/passes/fuse.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import { attention } from '../../../../src/models/networks/layers.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { randomWeights, tinyUnet } from '../../../fixtures/tiny-pipeline.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const X = [2, 6, 16] as const;
const CONTEXT = [2, 5, 8] as const;
const feeds = {
  x: randomTensor(1, X),
  context: randomTensor(2, CONTEXT),
  mask: float32([0, 0, -1e4, 0, 0, 0, -1e4, 0, 0, 0], [2, 1, 1, 5]),
};

/** A graph of the inputs above. */
function graphOf(
  build: (g: GraphBuilder, x: Expression, context: Expression, mask: Expression) => Expression,
): Graph {
  const g = new GraphBuilder();
  const inputs = Object.entries(feeds).map(([name, { shape }]) => g.input(name, 'float32', shape));
  g.output(build(g, ...(inputs as [Expression, Expression, Expression])), 'y');
  return g.build();
}

async function expectSameFunction(graph: Graph, fused: Graph): Promise<void> {
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, fused, feeds)];
  expect(largestDifference(found.y as Float32Array, expected.y as Float32Array)).toBeLessThan(1e-5);
}

/** Two heads of 8 over x, written by hand so that parts can be other than usual. */
function headsByHand(
  g: GraphBuilder,
  x: Expression,
  { axis = -1, swap = false, leftScale = false } = {},
): Expression {
  const heads = (order: readonly number[]) => x.reshape([2, 6, 2, 8]).transpose(order);
  const product = heads([0, 2, 1, 3]).matMul(heads([0, 2, 3, 1]));
  const scale = g.scalar(0.25);
  const scores = leftScale ? scale.mul(product) : product.mul(scale);
  const mixed = scores.softmax(axis).matMul(heads([0, 2, 1, 3]));
  const merged = mixed.transpose([0, 2, 1, 3]);
  return merged.reshape(swap ? [1, 12, 16] : [2, 6, 16]);
}

describe('fuseForInference', () => {
  it('should be the same function on a UNet, with all attention and all SiLU fused', async () => {
    const unet = await prepareGraph(engine, tinyUnet(5), {
      label: 'tiny UNet',
      inputShapes: { sample: [2, 3, 16, 16], timestep: [2], encoder_hidden_states: [2, 5, 16] },
    });
    const { graph, adapters } = addLora(
      unet,
      { pattern: 'attn[12]/to_', rank: 2, alpha: 2, form: 'folded' },
      'tiny UNet',
    );
    const fused = fuseForInference(graph);
    const unetFeeds = {
      sample: randomTensor(1, [2, 3, 16, 16]),
      timestep: int64([900, 3]),
      encoder_hidden_states: randomTensor(2, [2, 5, 16]),
      ...Object.fromEntries(
        adapters.flatMap(({ inputA, inputB }) => [
          [inputA, randomTensor(3, [16, 2], 0.5)],
          [inputB, randomTensor(4, [2, 16], 0.3)],
        ]),
      ),
    };
    const [expected, found] = [
      await runModel(engine, graph, unetFeeds),
      await runModel(engine, fused, unetFeeds),
    ];
    expect(
      largestDifference(found.out_sample as Float32Array, expected.out_sample as Float32Array),
    ).toBeLessThan(1e-5);
    const [before, after] = [countOps(graph), countOps(fused)];
    expect(before).toMatchObject({ Softmax: 6, Sigmoid: expect.any(Number) });
    expect(after).toMatchObject({ MultiHeadAttention: 6, QuickGelu: before.Sigmoid });
    expect([after.Softmax, after.Sigmoid]).toEqual([undefined, undefined]);
    expect(deadNodes(fused)).toEqual([]);
    expect(fused.inputs).toEqual(graph.inputs);
    expect(fused.outputs).toEqual(graph.outputs);
  });

  it('should fuse self- and cross-attention', async () => {
    const graph = graphOf((g, x, context) => {
      const layer = { g, weights: randomWeights(g, 7) };
      return attention(layer, 'attn2', attention(layer, 'attn1', x, { headSize: 8 }), {
        context,
        headSize: 4,
      });
    });
    const fused = fuseForInference(graph);
    expect(countOps(fused)).toMatchObject({ MultiHeadAttention: 2 });
    await expectSameFunction(graph, fused);
  });

  it('should leave attention with a mask alone', async () => {
    const graph = graphOf((g, x, context, mask) =>
      attention({ g, weights: randomWeights(g, 7) }, 'attn', x, { context, headSize: 8, mask }),
    );
    const fused = fuseForInference(graph);
    expect(countOps(fused)).toEqual(countOps(graph));
    await expectSameFunction(graph, fused);
  });

  it.each([
    ['a softmax over another axis', { axis: 2 }],
    ['heads that are merged into another shape', { swap: true }],
    ['a scale on the left', { leftScale: true }],
  ])('should leave %s alone', async (_, variant) => {
    const graph = graphOf((g, x) => headsByHand(g, x, variant));
    const fused = fuseForInference(graph);
    expect(countOps(fused)).toEqual(countOps(graph));
    await expectSameFunction(graph, fused);
  });

  it('should fuse the same pattern in its usual form', () => {
    expect(countOps(fuseForInference(graphOf((g, x) => headsByHand(g, x))))).toEqual({
      MultiHeadAttention: 1,
      Identity: 1, // the output's name
    });
  });

  it('should keep what others still read: scores as an output, a sigmoid used twice', async () => {
    const graph = graphOf((_, x) => {
      const gate = x.sigmoid();
      return gate.mul(x).add(gate);
    });
    expect(countOps(fuseForInference(graph))).toMatchObject({ Sigmoid: 1, Mul: 1, Add: 1 });
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', X);
    g.output(headsByHand(g, x), 'y');
    const softmax = g.nodes.find((node) => node.op === 'Softmax')?.outputs[0] as Value;
    g.output(softmax, 'weights');
    const fused = fuseForInference(g.build());
    expect(countOps(fused)).toMatchObject({ MultiHeadAttention: 1, Softmax: 1 });
    await expectSameFunction(g.build(), fused);
  });

  it('should take the gate from either side', async () => {
    for (const build of [
      (_: GraphBuilder, x: Expression) => x.sigmoid().mul(x),
      (_: GraphBuilder, x: Expression) => x.mul(x.sigmoid()),
    ]) {
      const graph = graphOf(build);
      const fused = fuseForInference(graph);
      expect(countOps(fused)).toMatchObject({ QuickGelu: 1 });
      await expectSameFunction(graph, fused);
    }
  });
});
