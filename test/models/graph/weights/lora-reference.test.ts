/**
 * @file Adapted layers and their gradients, compared with PyTorch. The fixture is made by tools/reference/lora_layers.py,
 * which writes PEFT's layers down once more.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { decodeSafetensors } from '../../../../src/models/files/safetensors.js';
import { type Graph, int, ints } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import { float32, type Tensor } from '../../../../src/models/tensor.js';
import { largestDifference, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const FIXTURE = 'test/fixtures/lora-layers.safetensors';
const { tensors, metadata } = decodeSafetensors(readFileSync(FIXTURE), FIXTURE);

interface Case {
  readonly name: string;
  readonly rank: number;
  readonly alpha: number;
  readonly linear: boolean;
  readonly stride: number;
  readonly padding: number;
}
const CASES = JSON.parse(metadata.cases ?? '[]') as Case[];

const tensorOf = ({ name }: Case, part: string): Tensor<'float32'> => {
  const { shape, data } = tensors.get(`${name}.${part}`) ?? { shape: [], data: new Float32Array() };
  return float32(data as Float32Array, shape);
};

/** The layer alone, as torch's exporter writes it: Gemm with a transposed weight, or Conv. */
function layerOf(one: Case): Graph {
  const g = new GraphBuilder();
  const { shape } = tensorOf(one, 'x');
  const inputs = [
    g.input('x', 'float32', shape),
    g.initializer('weight', tensorOf(one, 'weight')),
    g.initializer('bias', tensorOf(one, 'bias')),
  ];
  const { stride, padding } = one;
  const window = {
    strides: ints([stride, stride]),
    pads: ints([padding, padding, padding, padding]),
  };
  const [y] = one.linear
    ? g.emit('Gemm', inputs, { transB: int(1) }, { name: '/layer/Gemm' })
    : g.emit('Conv', inputs, window, { name: '/layer/Conv' });
  if (y) g.output(y, 'y');
  return g.build();
}

/** A and B as the graph takes them: those of linear layers transposed. */
function feedOf(one: Case, part: 'a' | 'b'): Tensor<'float32'> {
  const tensor = tensorOf(one, part);
  return one.linear ? transposed(tensor) : tensor;
}

function transposed({ data, shape: [rows = 0, columns = 0] }: Tensor<'float32'>): Tensor<'float32'> {
  const values = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
  return float32(values, [columns, rows]);
}

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

describe('an adapted layer', () => {
  it('should have cases of both kinds', () => {
    expect(CASES.map(({ linear }) => linear)).toEqual(expect.arrayContaining([true, false]));
  });

  it.each(
    CASES.flatMap((one) => (['beside', 'folded'] as const).map((form) => [one.name, form, one] as const)),
  )('should have the output and the gradients that PyTorch finds: %s, %s', async (_, form, one) => {
    const { rank, alpha } = one;
    const { graph, adapters } = addLora(layerOf(one), { pattern: 'layer', rank, alpha, form }, 'layer');
    expect(adapters.map(({ layer }) => layer)).toEqual(['layer']);
    const g = GraphBuilder.from(graph);
    const dy = g.input('dy', 'float32', tensorOf(one, 'dy').shape);
    const loss = g.value('y').mul(dy).sumAll();
    const parameters = ['layer.lora_A', 'layer.lora_B', 'x'].map((name) => g.value(name));
    for (const [i, value] of gradients(g, loss, parameters).entries()) g.output(value, ['dA', 'dB', 'dx'][i]);
    const found = await runModel(engine, g.build(), {
      x: tensorOf(one, 'x'),
      dy: tensorOf(one, 'dy'),
      'layer.lora_A': feedOf(one, 'a'),
      'layer.lora_B': feedOf(one, 'b'),
    });
    const plain = tensorOf(one, 'plain').data;
    expect(largestDifference(plain, tensorOf(one, 'y').data)).toBeGreaterThan(0.1);
    expect(largestDifference(found.y as Float32Array, tensorOf(one, 'y').data)).toBeLessThan(2e-6);
    const wanted = {
      dA: one.linear ? transposed(tensorOf(one, 'dA')) : tensorOf(one, 'dA'),
      dB: one.linear ? transposed(tensorOf(one, 'dB')) : tensorOf(one, 'dB'),
      dx: tensorOf(one, 'dx'),
    };
    for (const [name, { data }] of Object.entries(wanted))
      expect(largestDifference(found[name] as Float32Array, data), name).toBeLessThan(5e-6);
  });
});
