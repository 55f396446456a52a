/** @file Weights that stay in their file: a network over them computes what it computes over weights in memory. */

import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../src/models/engines/onnxruntime/engine.js';
import { openSession } from '../../../src/models/engines/onnxruntime/session.js';
import { createTfjsEngine } from '../../../src/models/engines/tfjs/engine.js';
import {
  encodeSafetensors,
  floatValues,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import type { Graph, HalfType } from '../../../src/models/graph/graph.js';
import { halfConstants } from '../../../src/models/graph/half/half-constants.js';
import { toHalfPrecision } from '../../../src/models/graph/half/half-precision.js';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import { encodeGraph, encodeGraphApart } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { fuseForInference } from '../../../src/models/graph/passes/fuse.js';
import { freeWeights } from '../../../src/models/graph/weights/free-weights.js';
import { addLora } from '../../../src/models/graph/weights/lora.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import { conv2d, groupNorm, linear } from '../../../src/models/networks/layers.js';
import {
  type Network,
  networkGraph,
  readNetworkWeights,
} from '../../../src/models/networks/network-weights.js';
import { encodeFloat16 } from '../../../src/models/numeric/float16.js';
import { float32Data } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { largestDifference, randomTensor } from '../../fixtures/run-model.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const CHANNELS = 256;
/** A kernel and two matrices of more than a megabyte each, and small weights beside them. */
const network: Network = (layer) => {
  const { g } = layer;
  const x = g.input('x', 'float32', [1, CHANNELS, 4, 4]);
  const h = groupNorm(layer, 'norm', conv2d(layer, 'conv', x, { channels: CHANNELS }), { numGroups: 8 });
  const tokens = h.reshape([1, CHANNELS, 16]).transpose([0, 2, 1]);
  const hidden = linear(layer, 'in', tokens, { features: 4 * CHANNELS });
  g.output(linear(layer, 'out', hidden, { features: CHANNELS }), 'y');
};

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'conv.weight': [CHANNELS, CHANNELS, 3, 3],
  'conv.bias': [CHANNELS],
  'norm.weight': [CHANNELS],
  'norm.bias': [CHANNELS],
  'in.weight': [4 * CHANNELS, CHANNELS],
  'in.bias': [4 * CHANNELS],
  'out.weight': [CHANNELS, 4 * CHANNELS],
  'out.bias': [CHANNELS],
};

let engine: Engine;
beforeAll(() => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => engine.close());

type Dtype = 'F32' | 'F16' | 'BF16';

function createTensors(dtype: Dtype): ReadonlyMap<string, SafetensorsTensor> {
  return new Map(
    Object.entries(SHAPES).map(([name, shape], index): [string, SafetensorsTensor] => {
      // Rounded to half precision in both files, so that they hold the same numbers.
      const bits = encodeFloat16(randomTensor(index, shape, 0.02).data);
      if (dtype === 'F16') return [name, { dtype, shape, data: bits }];
      const data = Float32Array.from(bits, (_, i) => decoded(bits, i));
      if (dtype === 'F32') return [name, { dtype, shape, data }];
      return [
        name,
        { dtype, shape, data: Uint16Array.from(new Uint32Array(data.buffer), (word) => word >>> 16) },
      ];
    }),
  );
}

const decoded = (bits: Uint16Array, index: number): number => {
  const bit = bits[index] ?? 0;
  const [exponent, fraction] = [(bit >> 10) & 31, bit & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bit >> 15 ? -size : size;
};

const TENSORS = { F32: createTensors('F32'), F16: createTensors('F16'), BF16: createTensors('BF16') };

async function graphOf(
  dtype: Dtype,
  edit: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
  halves: readonly HalfType[] = [],
) {
  const path = join(await temporaryFolder(), 'model.safetensors');
  await writeFile(path, edit(encodeSafetensors({ tensors: TENSORS[dtype], metadata: {} })));
  return { path, graph: await readGraph(path, halves) };
}

async function readGraph(path: string, halves: readonly HalfType[] = []): Promise<Graph> {
  const weights = await openComponentWeights(path);
  try {
    return networkGraph(network, await readNetworkWeights(network, weights, null, halves));
  } finally {
    await weights.close();
  }
}

async function outputOf(graph: Graph) {
  const executable = await compileGraph(engine, graph, { label: 'network' });
  const outputs = await executable.run(
    Object.fromEntries(
      graph.inputs.map(({ name, shape }, index) => [name, randomTensor(index + 9, shape, 0.5)]),
    ),
  );
  await executable.release();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, float32Data(tensor, name)]),
  );
}

/** The squared output and its gradient to the adapters of all layers. */
function training(graph: Graph): Graph {
  const adapted = addLora(graph, { pattern: '.', rank: 2, alpha: 2, form: 'beside' }, 'network');
  const g = GraphBuilder.from(adapted.graph);
  const y = g.value('y');
  const loss = y.mul(y).meanAll();
  g.clearOutputs();
  const parameters = adapted.adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
  const derivatives = gradients(
    g,
    loss,
    parameters.map((name) => g.value(name)),
  );
  for (const [index, derivative] of derivatives.entries())
    g.output(derivative, `gradient:${parameters[index]}`);
  return g.build();
}

describe('weights on disk', () => {
  it('should keep large weights of float32 in their file, and small ones in memory', async () => {
    const { path, graph } = await graphOf('F32');
    expect([...graph.stored.keys()].sort()).toEqual(['conv.weight', 'in.weight', 'out.weight']);
    expect(graph.initializers.has('conv.bias')).toBe(true);
    const { model, externalData, weightsFolder } = encodeGraphApart(graph);
    expect(weightsFolder).toBe(join(path, '..'));
    expect(externalData.size).toBe(0);
    expect(model.length).toBeLessThan(100_000);
    expect((await stat(path)).size).toBeGreaterThan(4_000_000);
  });

  it('should compute what weights in memory compute, and their gradients', async () => {
    const [onDisk, inMemory] = [await graphOf('F32'), await graphOf('F16')];
    expect(inMemory.graph.stored.size).toBe(0);
    const [found, expected] = [await outputOf(onDisk.graph), await outputOf(inMemory.graph)];
    expect(largestDifference(found.y ?? new Float32Array(), expected.y ?? new Float32Array())).toBeLessThan(
      1e-5,
    );
    const [slopes, wanted] = [
      await outputOf(training(onDisk.graph)),
      await outputOf(training(inMemory.graph)),
    ];
    expect(Object.keys(wanted).length).toBe(6);
    for (const [name, gradient] of Object.entries(wanted)) {
      expect(
        gradient.some((value) => Math.abs(value) > 1e-6),
        name,
      ).toBe(true);
      expect(largestDifference(slopes[name] ?? new Float32Array(), gradient), name).toBeLessThan(1e-4);
    }
  });

  it('should be read by an engine that maps no files, and where all weights are trained', async () => {
    const { graph } = await graphOf('F32');
    const expected = (await outputOf(graph)).y ?? new Float32Array();
    const tfjs = createTfjsEngine({ backends: ['cpu'], threads: 1, gradients: 'tape' });
    try {
      const executable = await compileGraph(tfjs, graph, { label: 'network' });
      const { y } = await executable.run({ x: randomTensor(9, [1, CHANNELS, 4, 4], 0.5) });
      expect(largestDifference(float32Data(y, 'y'), expected)).toBeLessThan(1e-4);
    } finally {
      await tfjs.close();
    }
    const onDisk = freeWeights(graph, 'network', 'unet').weights;
    const inMemory = freeWeights((await graphOf('F16')).graph, 'network', 'unet').weights;
    const byName = (weights: typeof onDisk) => new Map(weights.map(({ name, initial }) => [name, initial]));
    const [found, wanted] = [byName(onDisk), byName(inMemory)];
    expect(onDisk.length).toBe(Object.keys(SHAPES).length);
    expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
    for (const [name, values] of found)
      expect(
        values.every((value, i) => value === wanted.get(name)?.[i]),
        name,
      ).toBe(true);
  });

  it('should make no copy of a kernel to differentiate it', async () => {
    const ops = (graph: Graph) => graph.nodes.filter(({ inputs }) => inputs[1]?.name === 'conv.weight');
    const { graph } = await graphOf('F32');
    expect(ops(training(graph)).map((node) => node.op)).toEqual(['Conv']);
    const g = GraphBuilder.from(graph);
    const x = g.value('x');
    const [derivative] = gradients(g, g.value('y').meanAll(), [x]);
    if (derivative) g.output(derivative, 'dx');
    expect(ops(g.build()).map((node) => node.op)).toEqual(['Conv', 'ConvTranspose']);
  });

  it('should read weights that lie at an odd place', async () => {
    const odd = (bytes: Uint8Array) => {
      const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const shifted = new Uint8Array(bytes.length + 1);
      shifted.set(bytes.subarray(0, 8 + headerBytes));
      shifted[8 + headerBytes] = 0x20;
      shifted.set(bytes.subarray(8 + headerBytes), 9 + headerBytes);
      new DataView(shifted.buffer).setBigUint64(0, BigInt(headerBytes + 1), true);
      return shifted;
    };
    const { graph } = await graphOf('F32', odd);
    expect(graph.stored.size).toBe(0);
    const [found, expected] = [await outputOf(graph), await outputOf((await graphOf('F32')).graph)];
    expect(largestDifference(found.y ?? new Float32Array(), expected.y ?? new Float32Array())).toBeLessThan(
      1e-5,
    );
  });

  it('should be used behind links and in several folders, as the hub keeps them in its cache', async () => {
    const [{ graph, path }, other] = [await graphOf('F32'), await graphOf('F32')];
    const link = join(await temporaryFolder(), 'model.safetensors');
    await symlink(path, link);
    const linked = await readGraph(link);
    const [expected, found] = [await outputOf(graph), await outputOf(linked)];
    expect(found).toEqual(expected);
    const stored = new Map(graph.stored);
    for (const [name, tensor] of other.graph.stored) if (name === 'in.weight') stored.set(name, tensor);
    expect(await outputOf({ ...graph, stored })).toEqual(expected);
  });

  it('should refuse to write such a graph into one file', async () => {
    const { graph } = await graphOf('F32');
    expect(await faultOf(async () => encodeGraph(graph))).toEqual([
      'TRIB_INTERNAL',
      'graph: expected all constants in memory, got 3 on disk. Encode it with encodeGraphApart.',
    ]);
  });
});

describe('weights on disk in half precision', () => {
  const LARGE = ['conv.weight', 'in.weight', 'out.weight'];
  const untouched = (bytes: Uint8Array) => bytes;

  it('should stay in the file that has them in half, and compute what those of float32 compute', async () => {
    const [{ graph }, single] = [await graphOf('F16', untouched, ['float16']), await graphOf('F32')];
    expect([...graph.stored.keys()].sort()).toEqual(LARGE);
    const half = toHalfPrecision(graph, { constants: halfConstants('network') });
    expect([...half.stored.values()].map(({ type, inFile }) => [type, inFile])).toEqual(
      LARGE.map(() => ['float16', undefined]),
    );
    expect(encodeGraphApart(half).externalData.size).toBe(0);
    const [found, expected] = [await outputOf(half), await outputOf(single.graph)];
    expect(largestDifference(found.y ?? new Float32Array(), expected.y ?? new Float32Array())).toBeLessThan(
      5e-3,
    );
  });

  it('should be rounded once for all graphs where the file has them in single, into shared memory', async () => {
    const { graph } = await graphOf('F32', untouched, ['float16']);
    const constants = halfConstants('network');
    const [first, second] = [toHalfPrecision(graph, { constants }), toHalfPrecision(graph, { constants })];
    expect(first.stored.size).toBe(0);
    const dataOf = (of: Graph) => of.initializers.get('in.weight_float16')?.data;
    expect(dataOf(first)).toBeInstanceOf(Uint16Array);
    expect(dataOf(second)).toBe(dataOf(first));
    expect(dataOf(first)?.buffer).toBeInstanceOf(SharedArrayBuffer);
    const bits = TENSORS.F16.get('in.weight')?.data;
    expect(dataOf(first)?.every((word, index) => word === bits?.[index])).toBe(true);
  });

  it('should be read in full where all weights are trained', async () => {
    const [{ graph }, single] = [await graphOf('F16', untouched, ['float16']), await graphOf('F32')];
    const [half, full] = [
      freeWeights(graph, 'network', 'unet').weights,
      freeWeights(single.graph, 'network', 'unet').weights,
    ];
    const initialOf = (of: typeof half) => of.find(({ name }) => name === 'in.weight')?.initial;
    const expected = initialOf(full);
    expect(expected?.length).toBe(4 * CHANNELS * CHANNELS);
    expect(initialOf(half)?.every((value, index) => value === expected?.[index])).toBe(true);
  });
});

describe('weights on disk in half precision, in a graph in single', () => {
  const untouched = (bytes: Uint8Array) => bytes;
  /** The numbers of a file, saved in float32. */
  const saved = async (dtype: 'F16' | 'BF16') => {
    const tensors = new Map(
      [...TENSORS[dtype]].map(([name, tensor]) => {
        const data = floatValues(tensor) as Float32Array;
        return [name, { dtype: 'F32', shape: tensor.shape, data }] as const;
      }),
    );
    const path = join(await temporaryFolder(), 'model.safetensors');
    await writeFile(path, encodeSafetensors({ tensors, metadata: {} }));
    return readGraph(path);
  };
  /** The network as it samples, with the adapter in its weights. */
  const sampling = (graph: Graph) =>
    fuseForInference(addLora(graph, { pattern: '.', rank: 2, alpha: 2, form: 'folded' }, 'network').graph);

  it.each([
    { dtype: 'F16', inFile: 'float16' },
    { dtype: 'BF16', inFile: 'bfloat16' },
  ] as const)('should give the bytes that the same numbers in float32 give, as $dtype', async (half) => {
    const { graph } = await graphOf(half.dtype, untouched, engine.raises);
    expect([...graph.stored].map(([name, { type, inFile }]) => [name, type, inFile]).sort()).toEqual(
      ['conv.weight', 'in.weight', 'out.weight'].map((name) => [name, 'float32', half.inFile]),
    );
    expect(encodeGraphApart(graph).externalData.size).toBe(0);
    const single = await saved(half.dtype);
    for (const form of [training, sampling])
      expect(await outputOf(form(graph))).toEqual(await outputOf(form(single)));
    const initials = (of: Graph) => freeWeights(of, 'network', 'unet').weights.map(({ initial }) => initial);
    expect(initials(graph)).toEqual(initials(single));
  });

  /** The nodes of a graph in the order in which onnxruntime runs them. */
  async function orderOf(graph: Graph) {
    const { model, weightsFolder } = encodeGraphApart(graph);
    const optimizedModelPath = join(await temporaryFolder(), 'optimized.onnx');
    const options = { label: 'network', optimization: 'all', weightsFolder, optimizedModelPath } as const;
    const { session } = await openSession(model, { providers: ['cpu'], threads: 1 }, options);
    await session.release();
    const { node: nodes } = decodeModel(await readFile(optimizedModelPath), 'optimized').graph;
    return nodes.map(({ opType, input, output }, index) => {
      const isReadNext = nodes[index + 1]?.input.includes(output[0] ?? '') ?? false;
      return { opType, from: input[0] ?? '', isReadNext };
    });
  }

  it('should be raised by each node that reads them, just before it runs, and never all at once', async () => {
    const { graph } = await graphOf('F16', untouched, engine.raises);
    const raised = (await orderOf(training(graph))).filter(({ from }) => graph.stored.has(from));
    // Forward and backward, but the kernel once: no adapter comes before it.
    const matrices = ['in.weight', 'in.weight', 'out.weight', 'out.weight'];
    expect(raised.map(({ from }) => from).sort()).toEqual(['conv.weight', ...matrices]);
    expect(raised.filter(({ opType, isReadNext }) => opType !== 'Cast' || !isReadNext)).toEqual([]);
  });

  it('should be folded with the adapter when the input of its layer is there, and no earlier', async () => {
    const { graph } = await graphOf('F16', untouched, engine.raises);
    const { nodes } = sampling(graph);
    const makers = new Map(nodes.flatMap((node) => node.outputs.map(({ name }) => [name, node] as const)));
    const waitsFor = (name: string): boolean =>
      name === 'x' || (makers.get(name)?.inputs ?? []).some((input) => input && waitsFor(input.name));
    const sums = nodes.filter(
      ({ op, inputs: [weight] }) => op === 'Add' && graph.stored.has(weight?.name ?? ''),
    );
    expect(sums.map(({ outputs: [sum] }) => waitsFor(sum?.name ?? ''))).toEqual([true, true, true]);
  });

  it('should be read where the engine cannot raise them', async () => {
    const gpu = createOnnxRuntimeEngine({ providers: ['webgpu', 'cpu'], threads: 1 });
    expect((await graphOf('F16', untouched, gpu.raises)).graph.stored.size).toBe(0);
    await gpu.close();
  });
});
