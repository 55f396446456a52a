import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeLoraFile } from '../../../../src/models/adapters/lora-file.js';
import type { LoraLayer } from '../../../../src/models/adapters/lora-layer.js';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import { type Graph, int } from '../../../../src/models/graph/graph.js';
import { decodeModel } from '../../../../src/models/graph/onnx/decode.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { ModelProtoSchema } from '../../../../src/models/graph/onnx/onnx_pb.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { changeWeights } from '../../../../src/models/graph/weights/change-weights.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import { adapterFeeds } from '../../../../src/models/graph/weights/policy-feeds.js';
import { loraChange } from '../../../../src/models/graph/weights/weight-change.js';
import { adapterParameters, decodeAdapter } from '../../../../src/models/policy/adapter-parameters.js';
import { float32, int64, type Tensor } from '../../../../src/models/tensor.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { tinyUnet } from '../../../fixtures/tiny-pipeline.js';

const TOKENS = 5;
const SHAPES = { sample: [2, 3, 16, 16], timestep: [2], encoder_hidden_states: [2, TOKENS, 16] };
const EVERYTHING = 'attn[12]/to_|ff/|proj_|resnets|samplers|conv_';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const prepared = (bytes: Uint8Array) =>
  prepareGraph(engine, bytes, { label: 'tiny UNet', inputShapes: SHAPES });

/** Layers of every kind in the tiny UNet, with rank and alpha. */
function randomLayers(graph: Graph, rank: number, alpha: number): LoraLayer[] {
  const { adapters } = addLora(graph, { pattern: EVERYTHING, rank, alpha, form: 'beside' }, 'tiny UNet');
  return adapters.map(({ layer, inFeatures, outFeatures, kernel }, index) => {
    const [height, width] = kernel ?? [1, 1];
    return {
      key: `unet.${layer}`,
      loraA: randomTensor(300 + index, [rank * inFeatures * height * width], 1 / rank).data,
      loraB: randomTensor(400 + index, [outFeatures * rank], 0.2).data,
      rank,
      alpha,
      ...(kernel && { kernel }),
    };
  });
}

function mergeLora(bytes: Uint8Array, layers: readonly LoraLayer[], label: string): Uint8Array {
  const model = decodeModel(bytes, label);
  changeWeights(model, layers.map(loraChange), label);
  return toBinary(ModelProtoSchema, model);
}

describe('changeWeights with an adapter', () => {
  it('should be the base with the adapter, in layers of every kind', async () => {
    const base = await prepared(tinyUnet(TOKENS));
    const layers = randomLayers(base, 3, 2);
    expect(layers.filter(({ kernel }) => kernel).length).toBeGreaterThan(5);
    expect(layers.filter(({ kernel }) => !kernel).length).toBeGreaterThan(24);
    const file = decodeAdapter(encodeLoraFile(layers), 'adapter');
    const { rank, alpha, layers: names } = file;
    const feeds = {
      sample: randomTensor(1, SHAPES.sample),
      timestep: int64([700, 20]),
      encoder_hidden_states: randomTensor(2, SHAPES.encoder_hidden_states),
    };
    const outputOf = async (graph: Graph, more: Record<string, Tensor> = {}) =>
      (await runModel(engine, graph, { ...feeds, ...more })).out_sample as Float32Array;
    const merged = await outputOf(await prepared(mergeLora(tinyUnet(TOKENS), layers, 'tiny UNet')));
    for (const form of ['beside', 'folded'] as const) {
      const adapted = addLora(base, { pattern: '', rank, alpha, layers: names, form }, 'tiny UNet');
      const parameters = adapterParameters(file, adapted.adapters, 'adapter');
      const expected = await outputOf(adapted.graph, adapterFeeds(adapted.adapters, parameters, rank));
      expect(largestDifference(merged, expected)).toBeLessThan(1e-5);
    }
    expect(largestDifference(merged, await outputOf(base))).toBeGreaterThan(0.05);
  });

  it('should touch nothing of the file but the weights of the adapted layers', async () => {
    const bytes = tinyUnet(TOKENS);
    const [layer] = randomLayers(await prepared(bytes), 2, 2);
    const modelOf = (content: Uint8Array) => {
      const { graph, ...rest } = fromBinary(ModelProtoSchema, content);
      return { ...rest, graph: { ...graph, initializer: [] }, weights: graph?.initializer ?? [] };
    };
    const [before, after] = [modelOf(bytes), modelOf(mergeLora(bytes, [layer as LoraLayer], 'tiny UNet'))];
    expect(after.graph).toEqual(before.graph);
    const changed = after.weights.filter(
      (weight, i) => !Buffer.from(weight.rawData).equals(before.weights[i]!.rawData),
    );
    expect(changed.map(({ name }) => name)).toEqual([`${layer?.key.replace('unet.', '')}.weight`]);
  });

  const x = randomTensor(3, [4, 6]);
  const one: LoraLayer = {
    key: 'unet.one',
    loraA: randomTensor(5, [2 * 6]).data,
    loraB: randomTensor(6, [5 * 2]).data,
    rank: 2,
    alpha: 1,
  };

  /** Two linear layers over one weight. */
  function twins(transposed: boolean): Uint8Array {
    const g = new GraphBuilder();
    const weight = g.initializer('w', randomTensor(4, transposed ? [5, 6] : [6, 5]));
    const input = g.input('x', 'float32', [4, 6]);
    for (const name of ['one', 'other']) {
      const [y] = g.emit(
        'Gemm',
        [input, weight],
        { transB: int(transposed ? 1 : 0) },
        { name: `/${name}/Gemm` },
      );
      if (y) g.output(y, name);
    }
    return encodeGraph(g.build());
  }

  it.each([true, false])('should leave a weight to its other users, transposed: %s', async (transposed) => {
    const run = async (bytes: Uint8Array) =>
      runModel(engine, await prepareGraph(engine, bytes, { label: 'twins', inputShapes: {} }), { x });
    const before = await run(twins(transposed));
    const after = await run(mergeLora(twins(transposed), [one], 'twins'));
    expect(after.other).toEqual(before.other);
    const g = new GraphBuilder();
    const [a, b] = [g.constant(float32(one.loraA, [2, 6])), g.constant(float32(one.loraB, [5, 2]))];
    const detour = g.input('x', 'float32', [4, 6]).gemm(a, { right: true }).gemm(b, {
      right: true,
    });
    g.output(g.input('y', 'float32', [4, 5]).add(detour.mul(0.5)), 'sum');
    const { sum } = await runModel(engine, g.build(), { x, y: float32(before.one as Float32Array, [4, 5]) });
    expect(largestDifference(after.one as Float32Array, sum as Float32Array)).toBeLessThan(1e-6);
  });

  it('should name every layer that does not fit', async () => {
    const narrow = { ...one, key: 'unet.other', loraA: one.loraA.slice(2) };
    const kernels = { ...one, kernel: [1, 3] as const };
    const missing = { ...one, key: 'unet.mid_block.attentions.0.proj_in' };
    expect(
      await faultOf(() => mergeLora(twins(false), [kernels, narrow, missing], 'unet/model.onnx')),
    ).toEqual([
      'TRIB_LORA',
      'unet/model.onnx: expected the 3 layers of the adapter, got a model that 3 of them do not fit: ' +
        'one (for [2, 5, 1, 3], the model has [6, 5]), other (for [5, 5], the model has [6, 5]), ' +
        'mid_block.attentions.0.proj_in (no such layer). The adapter was made for another base: use it with that one.',
    ]);
  });
});
