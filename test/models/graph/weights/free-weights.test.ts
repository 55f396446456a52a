import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { int } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { freeWeights } from '../../../../src/models/graph/weights/free-weights.js';
import { policyFeeds } from '../../../../src/models/graph/weights/policy-feeds.js';
import { openDenoiserGraph } from '../../../../src/models/networks/open-denoiser-graph.js';
import { openPipeline } from '../../../../src/models/pipeline/pipeline.js';
import { startingPolicy } from '../../../../src/models/policy/policy-file.js';
import { elementCount, type Tensor } from '../../../../src/models/tensor.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const outputOf = async (graph: Graph, feeds: Record<string, Tensor>) =>
  (await runModel(engine, graph, feeds)).out_sample as Float32Array;

describe('freeWeights', () => {
  it.each(['models/shapes', 'test/fixtures/stable-diffusion/sd1'])(
    'should leave the network as it is where its own weights are fed: %s',
    async (path) => {
      const pipeline = await openPipeline(engine, path);
      const model = await openDenoiserGraph(engine, pipeline, 2);
      const freed = freeWeights(model, path, 'unet');
      await pipeline.release();
      const feeds: Record<string, Tensor> = Object.fromEntries(
        model.inputs.map(({ name, type, shape }, seed) => {
          if (name !== 'timestep') return [name, randomTensor(seed, shape)];
          const numbers = type === 'int64' ? new BigInt64Array(2).fill(500n) : new Float32Array(2).fill(500);
          return [name, { type, shape, data: numbers.slice(0, elementCount(shape)) }];
        }),
      );
      const inputs = { ...freed, component: 'unet', adapters: [] };
      const own = policyFeeds(inputs, startingPolicy(inputs, null, 1), null);
      const before = await outputOf(model, feeds);
      expect(largestDifference(await outputOf(freed.graph, { ...feeds, ...own }), before)).toBeLessThan(1e-5);
      // What is left are sizes, shapes, and the frequencies of the timestep.
      const left = [...freed.graph.initializers].filter(([, { type }]) => type === 'float32');
      expect(left.every(([, { shape }]) => elementCount(shape) <= 64)).toBe(true);
      for (const { input, shape } of freed.weights) {
        const moved = { ...own, [input]: randomTensor(3, shape) };
        if (input.endsWith('conv_in.weight') || input === 'unet.mid_block.resnets.0.norm1.bias')
          expect(
            largestDifference(await outputOf(freed.graph, { ...feeds, ...moved }), before),
          ).toBeGreaterThan(1e-4);
      }
    },
  );

  it('should name and shape weights as PyTorch does, also those of exporters without names', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const product = g.emit(
      'MatMul',
      [x, g.initializer('onnx::MatMul_12', randomTensor(1, [3, 5]))],
      {},
      { name: '/one/MatMul' },
    );
    const [gemm] = g.emit(
      'Gemm',
      [
        product[0],
        g.initializer('two.weight', randomTensor(2, [4, 5])),
        g.initializer('two.bias', randomTensor(3, [4])),
      ],
      { transB: int(1) },
      { name: '/two/Gemm' },
    );
    const scaled = gemm!.mul(g.initializer('scale', randomTensor(4, [4])));
    g.output(scaled, 'y');
    const { weights, graph } = freeWeights(g.build(), 'model', 'unet');
    expect(weights.map(({ name, shape }) => [name, shape])).toEqual([
      ['one.weight', [5, 3]],
      ['two.weight', [4, 5]],
      ['two.bias', [4]],
    ]);
    expect([...graph.initializers.keys()]).toContain('scale');
  });

  it('should refuse a model whose training would not fit, with the memory that it takes and what fits', async () => {
    const g = new GraphBuilder();
    const big = { type: 'float32' as const, shape: [10_000, 20_000], data: new Float32Array() };
    const [y] = g.emit(
      'MatMul',
      [g.input('x', 'float32', [1, 10_000]), g.initializer('big.weight', big)],
      {},
      { name: '/big/MatMul' },
    );
    g.output(y!, 'y');
    expect(await faultOf(() => freeWeights(g.build(), 'unet/model.onnx', 'unet'))).toEqual([
      'TRIB_MODEL',
      'unet/model.onnx: expected at most 100 million weights to train in full, got 200 million, which would take about 12 GB of memory. Set model.train: adapter, which trains a LoRA adapter of a few million weights.',
    ]);
  });
});
