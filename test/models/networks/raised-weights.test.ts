/** @file Weights in half precision that stay in their file, in a graph that computes in single precision. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../src/models/engines/onnxruntime/engine.js';
import { openSession } from '../../../src/models/engines/onnxruntime/session.js';
import { encodeSafetensors, floatValues } from '../../../src/models/files/safetensors.js';
import type { Graph } from '../../../src/models/graph/graph.js';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import { encodeGraphApart } from '../../../src/models/graph/onnx/encode.js';
import { fuseForInference } from '../../../src/models/graph/passes/fuse.js';
import { freeWeights } from '../../../src/models/graph/weights/free-weights.js';
import { addLora } from '../../../src/models/graph/weights/lora.js';
import { graphOf, outputOf, readGraph, TENSORS, training } from '../../fixtures/large-network.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

let engine: Engine;
beforeAll(() => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => engine.close());

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
      expect(await outputOf(engine, form(graph))).toEqual(await outputOf(engine, form(single)));
    const initials = (of: Graph) => freeWeights(of, 'network', 'unet').weights.map(({ initial }) => initial);
    expect(initials(graph)).toEqual(initials(single));
  });

  /** The nodes of a graph in the order in which onnxruntime runs them. */
  async function orderOf(graph: Graph) {
    const { model, ...weights } = encodeGraphApart(graph);
    const optimizedModelPath = join(await temporaryFolder(), 'optimized.onnx');
    const options = { label: 'network', optimization: 'all', optimizedModelPath, ...weights } as const;
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
