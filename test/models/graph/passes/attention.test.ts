import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SegmentOf } from '../../../../src/models/autodiff/recomputation.js';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import type { Graph, Value } from '../../../../src/models/graph/graph.js';
import { halfConstants } from '../../../../src/models/graph/half/half-constants.js';
import { toHalfPrecision } from '../../../../src/models/graph/half/half-precision.js';
import type { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { gatherAttention, writeAttention } from '../../../../src/models/graph/passes/attention.js';
import { elementCount } from '../../../../src/models/tensor.js';
import { attention, SCALES, SIZES, withGradients } from '../../../fixtures/attention-graph.js';
import { emulatedHalf } from '../../../fixtures/emulated-half.js';
import { largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

/** Of gradients whose terms are up to a hundred, and cancel. */
const ROUNDING = 1e-4;

const feedsOf = ({ inputs }: Graph) =>
  Object.fromEntries(inputs.map(({ name, shape }, index) => [name, randomTensor(index + 1, shape)]));
const opsOf = ({ nodes }: Graph) => nodes.map(({ op: name }) => name);
const largestScores = ({ nodes }: Graph) =>
  Math.max(...nodes.filter(({ op: name }) => name === 'Softmax').map(scoresOf));
const scoresOf = ({ outputs }: Graph['nodes'][number]) => elementCount(outputs[0]?.shape ?? []);

async function expectAlike(graph: Graph, other: Graph): Promise<void> {
  const feeds = feedsOf(graph);
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, other, feeds)];
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, numbers] of Object.entries(expected)) {
    const scale = Math.max(1, ...(numbers as Float32Array).map(Math.abs));
    const difference = largestDifference(found[name] as Float32Array, numbers as Float32Array);
    expect(difference / scale, name).toBeLessThan(ROUNDING);
  }
}

describe('attention in pieces', () => {
  it.each(SCALES)('should compute the same, and the same gradients; scale: %s', async (scale) => {
    const plain = attention(SIZES, scale).build();
    const gathered = gatherAttention(plain, 60);
    expect(opsOf(gathered)).toContain('Attention');
    const written = writeAttention(withGradients(gathered).build());
    expect(largestScores(written)).toBeLessThanOrEqual(60);
    await expectAlike(withGradients(plain).build(), written);
  });

  it.each<[string, SegmentOf]>([
    ['made again', () => 'all'],
    ['kept', ({ op: name }) => (name === 'Attention' ? undefined : 'all')],
  ])('should do so where the forward pass is made again, and attention is %s', async (_, segmentOf) => {
    const plain = attention(SIZES).build();
    const written = writeAttention(withGradients(gatherAttention(plain, 60), segmentOf).build());
    await expectAlike(withGradients(plain).build(), written);
  });

  it('should do so for any sizes and any length of a piece', async () => {
    const size = fc.integer({ min: 1, max: 9 });
    const sizes = fc.record({
      stack: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
      queries: size,
      keys: size,
      size,
      valueSize: size,
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.double({ min: 0, max: 0.99, noNaN: true }), async (drawn, share) => {
        const plain = attention(drawn).build();
        const all = elementCount([...drawn.stack, drawn.queries, drawn.keys]);
        const gathered = gatherAttention(plain, Math.floor(share * all));
        expect(opsOf(gathered)).toContain('Attention');
        await expectAlike(withGradients(plain).build(), writeAttention(withGradients(gathered).build()));
      }),
      { numRuns: 25 },
    );
  });

  it('should compute in half precision what whole scores give there', async () => {
    const plain = attention(SIZES, 'none').build();
    const emulated = emulatedHalf(engine);
    const constants = halfConstants('attention');
    const [whole, pieces] = [plain, writeAttention(gatherAttention(plain, 60))].map((graph) =>
      runModel(emulated, toHalfPrecision(graph, { constants }), feedsOf(plain)),
    );
    expect((await pieces)?.y).toEqual((await whole)?.y);
  });

  it('should have every piece wait for the one before, forward and backward', () => {
    const graph = writeAttention(withGradients(gatherAttention(attention(SIZES).build(), 30)).build());
    const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map(({ name }) => [name, node])));
    const behind = (value: Value | undefined, seen = new Set<string>()): ReadonlySet<string> => {
      const node = value && producers.get(value.name);
      if (!node || seen.has(node.name)) return seen;
      seen.add(node.name);
      for (const input of node.inputs) behind(input, seen);
      return seen;
    };
    const softmaxes = graph.nodes.filter(({ op: name }) => name === 'Softmax');
    expect(softmaxes).toHaveLength(14);
    for (const pass of [softmaxes.slice(0, 7), softmaxes.slice(7)])
      for (const [index, softmax] of pass.entries())
        for (const earlier of pass.slice(0, index))
          expect(behind(softmax.outputs[0])).toContain(earlier.name);
  });

  it('should leave small scores whole', () => {
    const graph = attention(SIZES).build();
    expect(opsOf(gatherAttention(graph, 210))).toEqual(opsOf(graph));
    expect(opsOf(gatherAttention(graph))).toEqual(opsOf(graph));
    expect(opsOf(gatherAttention(graph, 209))).toContain('Attention');
  });

  it.each<[string, (g: GraphBuilder, scores: Expression, v: Expression) => void]>([
    ['a mask', (g, scores, v) => mix(g, scores.add(g.input('mask', 'float32', [7, 5])), v)],
    ['a softmax along another axis', (g, scores, v) => mix(g, scores, v, -2)],
    ['scores that are read elsewhere', (g, scores, v) => g.output(mix(g, scores, v) && scores, 'scores')],
    ['a scale for every head', (g, scores, v) => mix(g, scores.mul(g.input('s', 'float32', [3, 1, 1])), v)],
    ['one value for all heads', (g, scores) => mix(g, scores, g.input('shared', 'float32', [5, 6]))],
  ])('should leave alone %s', (_, build) => {
    const g = attention(SIZES, 'none');
    const scores = g.expression(g.nodes[0]?.outputs[0] as Value);
    g.clearOutputs();
    build(g, scores, g.value('v'));
    const graph = g.build();
    expect(opsOf(gatherAttention(graph, 1))).toEqual(opsOf(graph));
  });
});

function mix(g: GraphBuilder, scores: Expression, v: Expression, axis = -1): Expression {
  return g.output(scores.softmax(axis).matMul(v), 'mixed');
}
