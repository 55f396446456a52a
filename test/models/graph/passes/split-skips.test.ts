import { describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { conv } from '../../../../src/models/graph/ops/convolution.js';
import { concat, type Expression } from '../../../../src/models/graph/ops/expression.js';
import { groupNormalization } from '../../../../src/models/graph/ops/normalization.js';
import { lowerForTraining } from '../../../../src/models/graph/passes/lower.js';
import { splitSkips } from '../../../../src/models/graph/passes/split-skips.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

const [SIZE, CHANNELS] = [
  [4, 5],
  [32, 16],
];
const shapeOf = (channels: number) => [2, channels, ...SIZE];

/** The start of a residual block over the channels of `decoded` and those of a skip connection. */
function block(numGroups: number, channels: readonly number[] = CHANNELS): Graph {
  const g = new GraphBuilder();
  const inputs = channels.map((size, i) =>
    g.input(i === 0 ? 'decoded' : `skip${i}`, 'float32', shapeOf(size)),
  );
  const both = concat(inputs, 1);
  const total = both.shape[1] as number;
  const [weight, bias] = [1, 2].map((seed) => g.constant(randomTensor(seed, [total, 1, 1])));
  const normed = groupNormalization(both, weight as Expression, bias as Expression, {
    numGroups,
    epsilon: 1e-5,
  });
  const kernel = g.constant(randomTensor(3, [8, total, 3, 3], 0.2));
  const h = conv(normed.silu(), kernel, g.constant(randomTensor(4, [8])), { pads: [1, 1, 1, 1] });
  g.output(conv(both, g.constant(randomTensor(5, [8, total, 1, 1])), undefined).add(h), 'y');
  return g.build();
}

/** With dL/d decoded for L = Σ y². */
function withGradient(graph: Graph): Graph {
  const g = GraphBuilder.from(graph);
  const y = g.value('y');
  const [dx] = gradients(g, y.mul(y).sumAll(), [g.value('decoded')]) as [Expression];
  g.output(dx, 'gradient');
  return g.build();
}

async function expectSameFunction(graph: Graph, other: Graph): Promise<void> {
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, shape }, i) => [name, randomTensor(i + 6, shape, 2)]),
  );
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, other, feeds)];
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected))
    expect(largestDifference(found[name] as Float32Array, values), name).toBeLessThan(5e-6);
}

/** Channels that the gradient's convolutions give. */
const gradientChannels = ({ nodes }: Graph) =>
  nodes.filter(({ op, forward }) => op === 'Conv' && forward).map(({ outputs }) => outputs[0]?.shape[1]);

describe('splitSkips', () => {
  it.each<[string, (graph: Graph) => Graph]>([
    ['before', (graph) => lowerForTraining(splitSkips(graph))],
    ['after', (graph) => splitSkips(lowerForTraining(graph))],
  ])(
    'should compute the same without Concat, and no gradient of the skip; %s lowering',
    async (_, prepare) => {
      const plain = block(6);
      const [graph, split] = [withGradient(lowerForTraining(plain)), withGradient(prepare(plain))];
      expect([countOps(graph).Concat, countOps(split).Concat]).toEqual([1, undefined]);
      expect(gradientChannels(graph)).toEqual([48, 48]);
      expect(gradientChannels(split)).toEqual([32, 32]);
      expect(deadNodes(split)).toEqual([]);
      await expectSameFunction(graph, split);
    },
  );

  it('should take any number of parts', async () => {
    const graph = block(10, [32, 16, 32]);
    const split = splitSkips(graph);
    expect(countOps(split)).toMatchObject({ Conv: 6, InstanceNormalization: 3 });
    await expectSameFunction(graph, split);
  });

  it('should normalize whole channels where a group reaches into both parts', async () => {
    const graph = block(4);
    const split = splitSkips(graph);
    // The 1 x 1 convolution alone is split.
    expect(countOps(split)).toMatchObject({ Concat: 1, InstanceNormalization: 1, Conv: 3 });
    await expectSameFunction(graph, split);
  });

  it('should leave parts of other sizes than a block of channels alone', () => {
    const graph = block(3, [16, 8]);
    expect(splitSkips(graph)).toEqual(graph);
  });

  it('should leave groups of channels, computed factors and kernels in a file alone', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => g.input(name, 'float32', shapeOf(16))) as [
      Expression,
      Expression,
    ];
    const both = concat([a, b], 1);
    const kernel = g.constant(randomTensor(1, [32, 1, 3, 3]));
    g.output(conv(both, kernel, undefined, { groups: 32 }), 'groups');
    g.output(conv(both.mul(both.exp()), g.constant(randomTensor(2, [8, 32, 1, 1])), undefined), 'computed');
    const place = {
      type: 'float32',
      shape: [8, 32, 1, 1],
      folder: '/',
      location: 'weights',
      offset: 0,
    } as const;
    g.output(conv(both, g.stored('kernel', place), undefined), 'stored');
    const graph = g.build();
    expect(splitSkips(graph)).toEqual(graph);
  });
});
