import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { type Attribute, float, int, ints, text } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Adapter } from '../../../../src/models/graph/weights/lora.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { float32, float32Data, int64 } from '../../../../src/models/tensor.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { tinyUnet } from '../../../fixtures/tiny-pipeline.js';

const ATTENTION = 'attn[12]/to_(q|k|v|out\\.0)';
const RANK = 3;
const ALPHA = 6;
const TOKENS = 5;

let engine: Engine;
let unet: Graph;
const feeds = {
  sample: randomTensor(1, [2, 3, 16, 16]),
  timestep: int64([700, 20]),
  encoder_hidden_states: randomTensor(2, [2, TOKENS, 16]),
};

beforeAll(async () => {
  engine = sharedEngine();
  unet = await prepareGraph(engine, tinyUnet(TOKENS), {
    label: 'tiny UNet',
    inputShapes: { sample: [2, 3, 16, 16], timestep: [2], encoder_hidden_states: [2, TOKENS, 16] },
  });
});

const adapted = (graph: Graph, form: 'beside' | 'folded', pattern = ATTENTION) =>
  addLora(graph, { pattern, rank: RANK, alpha: ALPHA, form }, 'test.onnx');

/** Weights of adapters, random, with B scaled. */
function adapterFeeds(adapters: readonly Adapter[], stdDevB: number): Record<string, Tensor<'float32'>> {
  return Object.fromEntries(
    adapters.flatMap(({ inputA, inputB, inFeatures, outFeatures }, index) => [
      [inputA, randomTensor(100 + index, [inFeatures, RANK], 1 / RANK)],
      [inputB, randomTensor(200 + index, [RANK, outFeatures], stdDevB)],
    ]),
  );
}

/** W + (alpha / rank) A B, for a weight [in, out]. */
function merged(weight: Tensor, a: Tensor<'float32'>, b: Tensor<'float32'>): Tensor<'float32'> {
  const [inFeatures = 0, outFeatures = 0] = weight.shape;
  const values = float32Data(weight, 'weight').slice();
  for (let i = 0; i < inFeatures; i++)
    for (let o = 0; o < outFeatures; o++) {
      let sum = 0;
      for (let r = 0; r < RANK; r++) sum += (a.data[i * RANK + r] ?? 0) * (b.data[r * outFeatures + o] ?? 0);
      values[i * outFeatures + o] = (values[i * outFeatures + o] ?? 0) + (ALPHA / RANK) * sum;
    }
  return float32(values, weight.shape);
}

const outputOf = async (graph: Graph, more: Record<string, Tensor> = {}) =>
  (await runModel(engine, graph, { ...feeds, ...more })).out_sample as Float32Array;

describe('addLora on a UNet', () => {
  it('should be the same function beside the weights, folded into them, and merged into the file', async () => {
    const beside = adapted(unet, 'beside');
    const folded = adapted(unet, 'folded');
    const lora = adapterFeeds(beside.adapters, 0.3);
    const initializers = new Map(unet.initializers);
    for (const { layer, inputA, inputB } of beside.adapters) {
      const node = unet.nodes.find(({ name }) => name === `/${slashed(layer)}/MatMul`);
      const weight = node?.inputs[1]?.name ?? '';
      initializers.set(
        weight,
        merged(
          initializers.get(weight) as Tensor,
          lora[inputA] as Tensor<'float32'>,
          lora[inputB] as Tensor<'float32'>,
        ),
      );
    }
    const expected = await outputOf({ ...unet, initializers });
    expect(largestDifference(await outputOf(beside.graph, lora), expected)).toBeLessThan(3e-6);
    expect(largestDifference(await outputOf(folded.graph, lora), expected)).toBeLessThan(3e-6);
    expect(largestDifference(expected, await outputOf(unet))).toBeGreaterThan(0.01);
  });

  it.each(['beside', 'folded'] as const)(
    'should leave the model as it is while B is zero: %s',
    async (form) => {
      const { graph, adapters } = adapted(unet, form);
      const found = await outputOf(graph, adapterFeeds(adapters, 0));
      expect(largestDifference(found, await outputOf(unet))).toBeLessThan(1e-7);
    },
  );

  it('should adapt every attention projection under the name that diffusers gives it', () => {
    const layers = adapted(unet, 'beside').adapters.map(({ layer }) => layer);
    const blocks = [
      'down_blocks.1.attentions.0.transformer_blocks.0',
      'mid_block.attentions.0.transformer_blocks.0',
      'up_blocks.0.attentions.0.transformer_blocks.0',
    ];
    const projections = ['attn1', 'attn2'].flatMap((name) =>
      ['to_q', 'to_k', 'to_v', 'to_out.0'].map((projection) => `${name}.${projection}`),
    );
    expect(layers.toSorted()).toEqual(
      blocks.flatMap((block) => projections.map((name) => `${block}.${name}`)).toSorted(),
    );
  });

  it('should give A and B as the only new inputs, in the shapes it names', () => {
    const { graph, adapters } = adapted(unet, 'folded', 'mid_block.*attn2/to_k');
    expect(adapters).toEqual([
      {
        layer: 'mid_block.attentions.0.transformer_blocks.0.attn2.to_k',
        inFeatures: 16,
        outFeatures: 16,
        inputA: 'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A',
        inputB: 'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_B',
      },
    ]);
    expect(graph.inputs.slice(unet.inputs.length).map(({ shape }) => shape)).toEqual([
      [16, RANK],
      [RANK, 16],
    ]);
  });

  it('should show some names if the pattern matches nothing', async () => {
    expect(await faultOf(() => adapted(unet, 'beside', 'attention/to_q'))).toEqual([
      'TRIB_LORA',
      'test.onnx LoRA pattern "attention/to_q": expected to match the name of a MatMul, Gemm or Conv with a constant weight, got none of 63. ' +
        'Names look like /up_blocks.0/attentions.0/transformer_blocks.0/attn2/to_k/MatMul, ' +
        '/mid_block/attentions.0/transformer_blocks.0/attn2/to_k/MatMul, ' +
        '/down_blocks.1/attentions.0/transformer_blocks.0/attn2/to_k/MatMul, ' +
        '/down_blocks.1/attentions.0/proj_in/MatMul.',
    ]);
  });

  it('should refuse a pattern that is not a regular expression', async () => {
    expect(await faultOf(() => adapted(unet, 'beside', 'to_(q|k'))).toEqual([
      'TRIB_LORA',
      'LoRA pattern "to_(q|k": expected a regular expression, got one that does not parse. Escape dots and close brackets.',
    ]);
  });
});

const slashed = (layer: string) =>
  layer
    .replace('.attentions.0.', '/attentions.0/')
    .replace('transformer_blocks.0.', 'transformer_blocks.0/')
    .replace(/(attn[12])\./, '$1/');

describe('addLora on Gemm', () => {
  const x = randomTensor(3, [4, 6]);
  const weight = randomTensor(4, [6, 5]);
  const bias = randomTensor(5, [5]);

  function gemm(attributes: Record<string, ReturnType<typeof int>>, matrix: Tensor): Graph {
    const g = new GraphBuilder();
    const input = g.input('x', 'float32', attributes.transA ? [6, 4] : [4, 6]);
    const [y] = g.emit('Gemm', [input, g.initializer('w', matrix), g.initializer('b', bias)], attributes, {
      name: '/layer/Gemm',
    });
    if (y) g.output(y, 'y');
    return g.build();
  }

  function transposed({ data, shape: [rows = 0, columns = 0] }: Tensor<'float32'>): Tensor<'float32'> {
    const values = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
    return float32(values, [columns, rows]);
  }

  it.each(['beside', 'folded'] as const)(
    'should read a transposed weight and keep the bias: %s',
    async (form) => {
      const { graph, adapters } = adapted(gemm({ transB: int(1) }, transposed(weight)), form, 'layer');
      expect(adapters).toEqual([
        { layer: 'layer', inFeatures: 6, outFeatures: 5, inputA: 'layer.lora_A', inputB: 'layer.lora_B' },
      ]);
      const lora = adapterFeeds(adapters, 1);
      const plain = gemm(
        {},
        merged(weight, lora['layer.lora_A'] as Tensor<'float32'>, lora['layer.lora_B'] as Tensor<'float32'>),
      );
      const [found, expected] = [
        await runModel(engine, graph, { x, ...lora }),
        await runModel(engine, plain, { x }),
      ];
      expect(largestDifference(found.y as Float32Array, expected.y as Float32Array)).toBeLessThan(2e-6);
    },
  );

  it.each([
    ['a scaled product', { alpha: float(0.5) }],
    ['a transposed input', { transA: int(1) }],
  ])('should not take %s for a linear layer', (_, attributes) => {
    const graph = gemm(attributes as Record<string, ReturnType<typeof int>>, weight);
    expect(() => adapted(graph, 'beside', 'layer')).toThrow(
      /expected to match .* got none of 0\. Choose a model with linear layers/,
    );
  });

  it('should not adapt a product of two activations', () => {
    const g = new GraphBuilder();
    const left = g.input('left', 'float32', [2, 3]);
    g.output(left.matMul(g.input('right', 'float32', [3, 2]), { name: '/attn1/to_q/MatMul' }), 'y');
    expect(() => adapted(g.build(), 'beside')).toThrow(/got none of 0\. Choose a model with linear layers/);
  });
});

describe('addLora on Conv', () => {
  function convolution(channels: number, attributes: Record<string, Attribute>): Graph {
    const g = new GraphBuilder();
    const input = g.input('x', 'float32', [1, 4, 6, 6]);
    const weight = g.initializer('w', randomTensor(7, [4, channels, 3, 3]));
    const output = { name: 'y', type: 'float32', shape: [1, 4, 6, 6] } as const;
    g.append({
      name: '/conv/Conv',
      op: 'Conv',
      domain: '',
      inputs: [input, weight],
      outputs: [output],
      attributes,
    });
    g.output(output);
    return g.build();
  }

  it('should name the kernel of a convolution', () => {
    const { adapters } = adapted(convolution(4, { pads: ints([1, 1, 1, 1]) }), 'beside', 'conv');
    expect(adapters).toEqual([
      {
        layer: 'conv',
        inFeatures: 4,
        outFeatures: 4,
        kernel: [3, 3],
        inputA: 'conv.lora_A',
        inputB: 'conv.lora_B',
      },
    ]);
  });

  it.each([
    ['groups', convolution(2, { group: int(2), pads: ints([1, 1, 1, 1]) })],
    ['gaps', convolution(4, { dilations: ints([2, 2]), pads: ints([2, 2, 2, 2]) })],
    ['pads that the runtime chooses', convolution(4, { auto_pad: text('SAME_UPPER') })],
  ])('should not take a convolution with %s', (_, graph) => {
    expect(() => adapted(graph, 'beside', 'conv')).toThrow(/expected to match .* got none of 0\./);
  });
});

describe('addLora by the layers of an adapter', () => {
  const of = (layers: readonly string[]) =>
    addLora(unet, { pattern: 'no such', layers, rank: RANK, alpha: ALPHA, form: 'folded' }, 'test.onnx');

  it('should adapt just these layers, whatever the pattern', () => {
    const layers = ['conv_in', 'mid_block.attentions.0.transformer_blocks.0.attn2.to_k'];
    expect(new Set(of(layers).adapters.map(({ layer }) => layer))).toEqual(new Set(layers));
  });

  it('should name the layers that the model lacks', async () => {
    const layers = [
      'conv_in',
      ...Array.from({ length: 8 }, (_, i) => `down_blocks.${i}.attentions.9.proj_in`),
    ];
    expect(await faultOf(() => of(layers))).toEqual([
      'TRIB_LORA',
      'test.onnx: expected the 9 layers of the adapter, got a model without 8 of them: ' +
        `${layers.slice(1, 7).join(', ')} and 2 more. The adapter was made for another base: use it with that one.`,
    ]);
  });
});
