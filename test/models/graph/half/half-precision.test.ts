/** @file Where half precision is, where it is not, and where it begins and ends. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { type Graph, int, type Node } from '../../../../src/models/graph/graph.js';
import { halfConstants } from '../../../../src/models/graph/half/half-constants.js';
import { toHalfPrecision } from '../../../../src/models/graph/half/half-precision.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { conv } from '../../../../src/models/graph/ops/convolution.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { layerNormalization } from '../../../../src/models/graph/ops/normalization.js';
import { roundToFloat16 } from '../../../../src/models/numeric/float16.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import { emulatedHalf, rounded } from '../../../fixtures/emulated-half.js';
import { randomTensor, runModel } from '../../../fixtures/run-model.js';

let engine: Engine;
beforeAll(() => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => engine.close());

const half = (graph: Graph, isNetwork?: (node: Node) => boolean) =>
  toHalfPrecision(graph, { constants: halfConstants('model'), ...(isNetwork && { isNetwork }) });

/** `MatMul:float16` for every node that makes floats. */
const typesOf = ({ nodes }: Graph) =>
  nodes.flatMap(({ op: name, outputs }) => outputs.slice(0, 1).map(({ type }) => `${name}:${type}`));

const weight = (g: GraphBuilder, seed = 1) => g.constant(randomTensor(seed, [4, 4]));

/** Every node's float inputs and outputs, but for a cast's, are of one type. */
function expectWellTyped(graph: Graph): void {
  for (const node of graph.nodes) {
    if (node.op === 'Cast' || node.op === 'Resize') continue;
    const floats = [...node.inputs, ...node.outputs].flatMap((value) =>
      value?.type.startsWith('float') ? [value.type] : [],
    );
    expect(new Set(floats).size, node.name).toBeLessThanOrEqual(1);
  }
}

describe('toHalfPrecision', () => {
  it('should compute in half from the first product to the last, and leave inputs and outputs in single', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 4]);
    const before = x.mul(2).sin();
    const between = before.matMul(weight(g)).add(1).relu();
    const last = between.matMul(weight(g, 2));
    g.output(last.mul(3), 'y');
    const graph = half(g.build());
    expect(typesOf(graph)).toEqual([
      'Mul:float32',
      'Sin:float32',
      'Cast:float16',
      'MatMul:float16',
      'Add:float16',
      'Relu:float16',
      'MatMul:float16',
      'Cast:float32',
      'Mul:float32',
      'Identity:float32',
    ]);
    expect([...graph.inputs, ...graph.outputs].map(({ type }) => type)).toEqual(['float32', 'float32']);
    expectWellTyped(graph);
  });

  it('should compute sums, exponentials and normalisations in single between products', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 4]).matMul(weight(g));
    const ones = g.constant(float32([1, 1, 1, 1], [4]));
    const normed = layerNormalization(x, ones, undefined, { epsilon: 1e-5 }).normalized;
    const mean = x.reduceMean([1]);
    const attention = normed.mul(mean).softmax(-1);
    g.output(x.exp().mul(attention).matMul(weight(g, 2)), 'y');
    const graph = half(g.build());
    const types = typesOf(graph);
    for (const name of ['LayerNormalization', 'ReduceMean', 'Softmax', 'Exp'])
      expect(types, name).toContain(`${name}:float32`);
    expect(types.filter((type) => /^(MatMul|Mul):/.test(type))).toEqual([
      'MatMul:float16',
      'Mul:float16',
      'Mul:float16',
      'MatMul:float16',
    ]);
    // x goes to single once, for three operators that read it there.
    const casts = graph.nodes.filter(({ op: name }) => name === 'Cast');
    expect(new Set(casts.map(({ inputs }) => inputs[0]?.name)).size).toBe(casts.length);
    expectWellTyped(graph);
  });

  it('should leave an operator in single whose constant half precision does not hold', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 4]).matMul(weight(g));
    const guarded = x.mul(x).add(1e-12);
    const mask = g.constant(float32([0, -3.4e38, 0, 0], [4]));
    g.output(guarded.add(mask).add(0.5).matMul(weight(g, 2)), 'y');
    const graph = half(g.build());
    expect(typesOf(graph).filter((type) => /^(Add|Mul):/.test(type))).toEqual([
      'Mul:float16',
      'Add:float32',
      'Add:float32',
      'Add:float16',
    ]);
  });

  it('should keep scales of a Resize and casts to integers as they are, and make a cast to float one to half', async () => {
    const g = new GraphBuilder();
    const x = conv(g.input('x', 'float32', [1, 1, 2, 2]), g.constant(float32([2], [1, 1, 1, 1])), undefined);
    const [large] = g.emit('Resize', [x, undefined, g.constant(float32([1, 1, 2, 2], [4]))], {
      mode: { kind: 'string', value: 'nearest' },
    }) as [Expression];
    const positive = large.greater(1).cast('float32');
    g.output(conv(positive, g.constant(float32([3], [1, 1, 1, 1])), undefined), 'y');
    const graph = half(g.build());
    const resize = graph.nodes.find(({ op: name }) => name === 'Resize');
    expect(resize?.inputs.map((input) => input?.type)).toEqual(['float16', undefined, 'float32']);
    const cast = graph.nodes.find(({ op: name, inputs }) => name === 'Cast' && inputs[0]?.type === 'bool');
    expect(cast?.attributes.to).toEqual(int(10));
    const { y } = await runModel(engine, graph, { x: float32([0, 1, 1, 0], [1, 1, 2, 2]) });
    expect([...(y ?? [])]).toEqual([0, 0, 3, 3, 0, 0, 3, 3, 3, 3, 0, 0, 3, 3, 0, 0]);
  });

  it('should compute the derivative of an operator as the operator, and of what is no network in single', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 4]);
    const a = g.input('a', 'float32', [4, 4]);
    const h = x.matMul(a).matMul(weight(g));
    const p = h.softmax(-1);
    const y = p.relu().matMul(weight(g, 2));
    const network = new Set(g.nodes);
    const loss = y.mul(y).sumAll();
    const seed = g.input('seed', 'float32', []);
    const [da] = gradients(g, loss, [a], { seed }) as [Expression];
    g.output(loss, 'loss');
    g.output(da, 'da');
    const graph = half(g.build(), (node) => network.has(node));
    expectWellTyped(graph);
    const ofType = (type: string, name: RegExp) =>
      graph.nodes.filter(({ op: kind, outputs }) => name.test(kind) && outputs[0]?.type === type).length;
    // Three forward; of the gradients dy·Wᵀ three times and xᵀ·dy once, as Gemm or MatMul.
    expect(ofType('float32', /MatMul|Gemm/)).toBe(0);
    expect(ofType('float16', /MatMul|Gemm/)).toBeGreaterThanOrEqual(6);
    // The gradient of a softmax multiplies twice, that of the loss at least once: all in single.
    const softmax = graph.nodes.filter(
      ({ name, op: kind }) => /^\/gradient.*Softmax/.test(name) && kind !== 'Cast',
    );
    expect(softmax.length).toBeGreaterThan(2);
    for (const node of softmax) expect(node.outputs[0]?.type, node.name).toBe('float32');
    // What it reads of the forward pass is kept in half alone.
    const kept = graph.nodes.find(({ op: kind }) => kind === 'Softmax')?.outputs[0]?.name;
    const readers = graph.nodes.filter(({ inputs }) => inputs.some((input) => input?.name === kept));
    expect(readers.map(({ op: kind }) => kind)).toEqual(['Cast']);
    expect(graph.outputs.map(({ name, type }) => `${name} ${type}`)).toEqual(['loss float32', 'da float32']);
  });

  it('should leave integers alone', () => {
    const g = new GraphBuilder();
    const table = g.input('x', 'float32', [8, 4]).matMul(weight(g));
    const rows = table.gather(g.constant(int64([1, 3])), 0);
    g.output(rows.matMul(weight(g, 2)), 'y');
    const graph = half(g.build());
    const gather = graph.nodes.find(({ op: name }) => name === 'Gather');
    expect(gather?.inputs.map((input) => input?.type)).toEqual(['float16', 'int64']);
  });

  it('should name a weight that is beyond 65504', () => {
    const g = new GraphBuilder();
    const large = g.initializer('fc.weight', float32([1, 2, 3, 1e5], [2, 2]));
    g.output(g.input('x', 'float32', [1, 2]).matMul(large), 'y');
    expect(() => half(g.build())).toThrow(
      'model weight "fc.weight": expected numbers that half precision can hold, at most 65504, got 100000.',
    );
  });
});

describe('the emulation of half precision that tests use', () => {
  it('should round as float16 does, from the smallest number to the largest', async () => {
    const values = [
      0,
      1,
      -1,
      1 / 3,
      -2 / 3,
      300.123,
      65504,
      65519,
      65520,
      1e6,
      -1e30,
      2 ** -14,
      6.2e-5,
      5.9e-5,
      1e-7,
      2e-8,
      -3e-8,
      Number.POSITIVE_INFINITY,
      2049,
      4097.9,
    ];
    const g = new GraphBuilder();
    g.output(rounded(g.input('x', 'float32', [values.length])), 'y');
    const { y } = await runModel(engine, g.build(), { x: float32(values, [values.length]) });
    expect([...(y ?? [])]).toEqual(values.map((value) => roundToFloat16(Math.fround(value)) + 0));
  });

  it('should overflow between two operators, unlike the CPU provider', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 1]).matMul(g.constant(float32([300], [1, 1])));
    g.output(x.mul(x).matMul(g.constant(float32([0.001], [1, 1]))), 'y');
    const graph = half(g.build());
    const feeds = { x: float32([1], [1, 1]) };
    expect((await runModel(emulatedHalf(engine), graph, feeds)).y?.[0]).toBe(Number.POSITIVE_INFINITY);
  });
});
