/** @file Weights that stay in their file: a network over them computes what it computes over weights in memory. */

import { stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../src/models/engines/onnxruntime/engine.js';
import { createTfjsEngine } from '../../../src/models/engines/tfjs/engine.js';
import type { Graph } from '../../../src/models/graph/graph.js';
import { halfConstants } from '../../../src/models/graph/half/half-constants.js';
import { toHalfPrecision } from '../../../src/models/graph/half/half-precision.js';
import { encodeGraph, encodeGraphApart } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { conv } from '../../../src/models/graph/ops/convolution.js';
import { freeWeights } from '../../../src/models/graph/weights/free-weights.js';
import { float32Data } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import {
  CHANNELS,
  graphOf,
  outputOf,
  readGraph,
  SHAPES,
  TENSORS,
  training,
} from '../../fixtures/large-network.js';
import { largestDifference, randomTensor } from '../../fixtures/run-model.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

let engine: Engine;
beforeAll(() => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => engine.close());

/** The convolution of the network alone, on a map of other sides, and the derivative of its squared output. */
function withSlope(network: Graph, size: number): Graph {
  const g = GraphBuilder.from({ ...network, nodes: [], inputs: [], outputs: [] });
  const x = g.input('x', 'float32', [1, CHANNELS, size, size]);
  const y = conv(x, g.value('conv.weight'), undefined, { pads: [1, 1, 1, 1] });
  const [dx] = gradients(g, y.mul(y).meanAll(), [x]);
  if (dx) g.output(dx, 'dx');
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
    const [found, expected] = [await outputOf(engine, onDisk.graph), await outputOf(engine, inMemory.graph)];
    expect(largestDifference(found.y ?? new Float32Array(), expected.y ?? new Float32Array())).toBeLessThan(
      1e-5,
    );
    const [slopes, wanted] = [
      await outputOf(engine, training(onDisk.graph)),
      await outputOf(engine, training(inMemory.graph)),
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
    const expected = (await outputOf(engine, graph)).y ?? new Float32Array();
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

  it.each<[string, number, 'F32' | 'F16', string]>([
    ['in place on a map of fewer positions than channels', 15, 'F32', 'ConvTranspose'],
    ['by a flipped copy on a larger map', 16, 'F32', 'Conv'],
    ['in place where it is in half precision', 16, 'F16', 'ConvTranspose'],
  ])('should differentiate a kernel %s', async (_, size, dtype, wanted) => {
    const onDisk = withSlope((await graphOf(dtype, undefined, ['float16'])).graph, size);
    const reads = onDisk.nodes.filter(({ inputs }) => inputs[1]?.name === 'conv.weight');
    const back = onDisk.nodes.filter(({ op, name }) => op.startsWith('Conv') && name.startsWith('/gradient'));
    expect(back.map(({ op }) => op)).toEqual([wanted]);
    expect(reads.length).toBe(wanted === 'Conv' ? 1 : 2);
    const inMemory = withSlope((await graphOf('F16')).graph, size);
    const [found, expected] = [await outputOf(engine, onDisk), await outputOf(engine, inMemory)];
    expect(largestDifference(found.dx ?? new Float32Array(), expected.dx ?? new Float32Array())).toBeLessThan(
      1e-6,
    );
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
    const [found, expected] = [
      await outputOf(engine, graph),
      await outputOf(engine, (await graphOf('F32')).graph),
    ];
    expect(largestDifference(found.y ?? new Float32Array(), expected.y ?? new Float32Array())).toBeLessThan(
      1e-5,
    );
  });

  it('should be used behind links and in several folders, as the hub keeps them in its cache', async () => {
    const [{ graph, path }, other] = [await graphOf('F32'), await graphOf('F32')];
    const link = join(await temporaryFolder(), 'model.safetensors');
    await symlink(path, link);
    const linked = await readGraph(link);
    const [expected, found] = [await outputOf(engine, graph), await outputOf(engine, linked)];
    expect(found).toEqual(expected);
    const stored = new Map(graph.stored);
    for (const [name, tensor] of other.graph.stored) if (name === 'in.weight') stored.set(name, tensor);
    expect(await outputOf(engine, { ...graph, stored })).toEqual(expected);
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
    const [found, expected] = [await outputOf(engine, half), await outputOf(engine, single.graph)];
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
