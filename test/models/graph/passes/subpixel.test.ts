import { describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import { compileGraph } from '../../../../src/models/engines/compile-graph.js';
import { type Graph, text } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { conv, upsampleNearest } from '../../../../src/models/graph/ops/convolution.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { withCheaperConvolutions } from '../../../../src/models/graph/passes/cheaper-convolutions.js';
import { fuseForInference } from '../../../../src/models/graph/passes/fuse.js';
import { float32, float32Data } from '../../../../src/models/tensor.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

const X = [2, 3, 4, 5] as const;
const SAME = { pads: [1, 1, 1, 1] };
const KERNEL = randomTensor(2, [7, 3, 3, 3]);

/** y = f(x); with dL/dx for L = Σ y³. */
function graphOf(build: (g: GraphBuilder, x: Expression) => Expression): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', X);
  const y = build(g, x);
  g.output(y, 'y');
  const [dx] = gradients(g, y.mul(y).mul(y).sumAll(), [x]) as [Expression];
  g.output(dx, 'dx');
  return g.build();
}

const upsampled = (g: GraphBuilder, x: Expression, kernel = g.constant(KERNEL)) =>
  conv(upsampleNearest(x, 2), kernel, g.constant(randomTensor(3, [7])), SAME);

async function expectSameFunction(graph: Graph, other: Graph): Promise<void> {
  const feeds = { x: randomTensor(1, X), kernel: KERNEL };
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, other, feeds)];
  for (const [name, values] of Object.entries(expected))
    expect(largestDifference(found[name] as Float32Array, values), name).toBeLessThan(2e-6);
}

describe('withCheaperConvolutions', () => {
  it('should compute the same, and the same gradient, without the large picture', async () => {
    const graph = graphOf(upsampled);
    const small = withCheaperConvolutions(graph);
    await expectSameFunction(graph, small);
    expect(countOps(small)).toMatchObject({ Conv: 5 });
    expect(countOps(small).Resize).toBeUndefined();
    const kernels = small.nodes
      .filter(({ op }) => op === 'Conv')
      .map(({ inputs }) => inputs[1]?.shape.join());
    expect(kernels.toSorted()).toEqual([...Array.from({ length: 4 }, () => '7,3,2,2'), '3,7,4,4'].toSorted());
    expect(deadNodes(small)).toEqual([]);
  });

  it('should be part of the form for sampling', async () => {
    const graph = graphOf(upsampled);
    const fused = fuseForInference(graph);
    expect(countOps(fused).Resize).toBeUndefined();
    await expectSameFunction(graph, fused);
  });

  it('should leave the batch size open', async () => {
    const g = new GraphBuilder();
    g.output(upsampled(g, g.input('x', 'float32', X)), 'y');
    const [graph, fused] = [g.build(), fuseForInference(g.build())];
    const symbolicAxes = { x: ['batch'], y: ['batch'] };
    const feeds = { x: randomTensor(1, [5, ...X.slice(1)]) };
    const [expected, found] = await Promise.all(
      [graph, fused].map(async (one) => {
        const executable = await compileGraph(engine, one, { label: 'open batch', symbolicAxes });
        const { y } = await executable.run(feeds);
        await executable.release();
        return float32Data(y, 'y');
      }),
    );
    expect(largestDifference(found as Float32Array, expected as Float32Array)).toBeLessThan(2e-6);
  });

  it('should leave a kernel that is no constant alone, and replace its gradient all the same', async () => {
    const graph = graphOf((g, x) => upsampled(g, x, g.input('kernel', 'float32', KERNEL.shape)));
    const small = withCheaperConvolutions(graph);
    expect(countOps(small)).toMatchObject({ Resize: 1, Conv: 2 });
    await expectSameFunction(graph, small);
  });

  it.each<[string, (g: GraphBuilder, x: Expression) => Expression]>([
    ['another factor', (g, x) => conv(upsampleNearest(x, 3), g.constant(KERNEL), undefined, SAME)],
    ['no padding', (g, x) => conv(upsampleNearest(x, 2), g.constant(KERNEL), undefined)],
    [
      'a stride',
      (g, x) => conv(upsampleNearest(x, 2), g.constant(KERNEL), undefined, { ...SAME, strides: [2, 2] }),
    ],
    [
      'kernels of 1 x 1',
      (g, x) => conv(upsampleNearest(x, 2), g.constant(randomTensor(2, [7, 3, 1, 1])), undefined),
    ],
    [
      'groups',
      (g, x) =>
        conv(upsampleNearest(x, 2), g.constant(randomTensor(2, [3, 1, 3, 3])), undefined, {
          ...SAME,
          groups: 3,
        }),
    ],
  ])('should leave %s alone', (_, build) => {
    const graph = graphOf(build);
    expect(withCheaperConvolutions(graph)).toEqual(graph);
  });

  it('should leave pixels that are rounded otherwise alone, and kernels in a file', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', X);
    const scales = g.constant(float32([1, 1, 2, 2], [4]));
    const [other] = g.emit('Resize', [x, undefined, scales], {
      mode: text('nearest'),
      coordinate_transformation_mode: text('asymmetric'),
      nearest_mode: text('ceil'),
    }) as [Expression];
    g.output(conv(other, g.constant(KERNEL), undefined, SAME), 'y');
    const place = {
      type: 'float32',
      shape: KERNEL.shape,
      folder: '/',
      location: 'weights',
      offset: 0,
    } as const;
    g.output(conv(upsampleNearest(x, 2), g.stored('kernel', place), undefined, SAME), 'z');
    const graph = g.build();
    expect(withCheaperConvolutions(graph)).toEqual(graph);
  });
});
