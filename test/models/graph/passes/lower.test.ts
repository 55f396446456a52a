import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { float, int } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { instanceNormalization, layerNormalization } from '../../../../src/models/graph/ops/normalization.js';
import { lowerForTraining } from '../../../../src/models/graph/passes/lower.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import {
  countOps,
  deadNodes,
  largestDifference,
  randomTensor,
  runModel,
} from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { tinyUnet } from '../../../fixtures/tiny-pipeline.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const SHAPE = [2, 4, 3, 5] as const;
const x = randomTensor(1, SHAPE, 3);
const filled = (value: number, count: number) => float32(new Float32Array(count).fill(value), [count]);

function graphOf(build: (g: GraphBuilder, x: Expression) => Expression): Graph {
  const g = new GraphBuilder();
  g.output(build(g, g.input('x', 'float32', SHAPE)), 'y');
  return g.build();
}

async function expectSameFunction(graph: Graph, lowered: Graph, feeds: Record<string, Tensor> = { x }) {
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, lowered, feeds)];
  for (const [name, values] of Object.entries(expected))
    expect(largestDifference(found[name] as Float32Array, values)).toBeLessThan(1e-5);
}

describe('lowerForTraining', () => {
  it('should be the same function on a UNet with its adapter beside, without dead nodes', async () => {
    const unet = await prepareGraph(engine, tinyUnet(5), {
      label: 'tiny UNet',
      inputShapes: { sample: [2, 3, 16, 16], timestep: [2], encoder_hidden_states: [2, 5, 16] },
    });
    const { graph, adapters } = addLora(
      unet,
      { pattern: 'attn[12]/to_', rank: 2, alpha: 2, form: 'beside' },
      'tiny UNet',
    );
    const lowered = lowerForTraining(graph);
    await expectSameFunction(graph, lowered, {
      sample: randomTensor(1, [2, 3, 16, 16]),
      timestep: int64([900, 3]),
      encoder_hidden_states: randomTensor(2, [2, 5, 16]),
      ...Object.fromEntries(
        adapters.flatMap(({ inputA, inputB }) => [
          [inputA, randomTensor(3, [16, 2], 0.5)],
          [inputB, randomTensor(4, [2, 16], 0.3)],
        ]),
      ),
    });
    const [before, after] = [countOps(graph), countOps(lowered)];
    expect(after.InstanceNormalization).toBeUndefined();
    expect(after.LayerNormalization).toBe(
      (before.LayerNormalization ?? 0) + (before.InstanceNormalization ?? 0),
    );
    expect(deadNodes(lowered)).toEqual([]);
    expect(lowered.inputs).toEqual(graph.inputs);
    expect(lowered.outputs).toEqual(graph.outputs);
  });

  const scale = randomTensor(2, [4]);
  const bias = randomTensor(3, [4]);

  it('should lower InstanceNormalization with scale and bias a channel', async () => {
    const graph = graphOf((g, input) =>
      instanceNormalization(input, g.constant(scale), g.constant(bias), 1e-3),
    );
    await expectSameFunction(graph, lowerForTraining(graph));
  });

  it('should lower GroupNormalization', async () => {
    const graph = graphOf((g, input) => {
      const perGroup = [randomTensor(4, [2]), randomTensor(5, [2])].map((tensor) => g.constant(tensor));
      const [y] = g.emit('GroupNormalization', [input, ...perGroup], {
        num_groups: int(2),
        epsilon: float(1e-3),
      }) as [Expression];
      return y;
    });
    await expectSameFunction(graph, lowerForTraining(graph));
  });

  it.each([-1, 1, 2])('should lower LayerNormalization over the axes from %i on', async (axis) => {
    const shape = SHAPE.slice(axis);
    const graph = graphOf(
      (g, input) =>
        layerNormalization(input, g.constant(randomTensor(6, shape)), g.constant(randomTensor(7, shape)), {
          epsilon: 1e-3,
          axis,
        }).normalized,
    );
    await expectSameFunction(graph, lowerForTraining(graph));
  });

  it('should leave out a scale of ones and a bias of zeros, and only those', () => {
    const ops = (one: Tensor, zero: Tensor) =>
      countOps(
        lowerForTraining(
          graphOf((g, input) => instanceNormalization(input, g.constant(one), g.constant(zero), 1e-5)),
        ),
      );
    expect(ops(filled(1, 4), filled(0, 4))).toEqual({
      Reshape: 2,
      LayerNormalization: 1,
      Identity: 1, // the output's name
    });
    expect(ops(filled(1, 4), filled(1, 4))).toMatchObject({ Add: 1 });
    expect(ops(scale, filled(0, 4))).toMatchObject({ Mul: 1 });
  });

  it('should keep a scale that is no constant', async () => {
    const g = new GraphBuilder();
    const input = g.input('x', 'float32', SHAPE);
    const weight = g.input('scale', 'float32', [5]);
    g.output(layerNormalization(input, weight, undefined, { epsilon: 1e-5 }).normalized, 'y');
    const graph = g.build();
    await expectSameFunction(graph, lowerForTraining(graph), { x, scale: randomTensor(8, [5]) });
  });
});
