/** @file A UNet by PyTorch's dynamo exporter, whose nodes have no names: tools/reference/dynamo_unet.py. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../../src/models/engines/compile-graph.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import type { Graph } from '../../../../src/models/graph/graph.js';
import { decodeModel } from '../../../../src/models/graph/onnx/decode.js';
import { readModelFile } from '../../../../src/models/graph/onnx/model-file.js';
import { nameByLayer } from '../../../../src/models/graph/onnx/node-names.js';
import { adapterShapes, addLora } from '../../../../src/models/graph/weights/lora.js';
import { UNET } from '../../../../src/models/networks/denoiser-family.js';
import { float32, float32Data, type Tensor } from '../../../../src/models/tensor.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { formulaNumbers } from '../../../fixtures/formula-numbers.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const PATH = 'test/fixtures/dynamo-unet.onnx';
const { rank, alpha, layers, plain, adapted } = JSON.parse(
  readFileSync('test/fixtures/dynamo-unet.json', 'utf8'),
) as {
  readonly rank: number;
  readonly alpha: number;
  readonly layers: readonly string[];
  readonly plain: readonly number[];
  readonly adapted: readonly number[];
};
const SHAPES = { sample: [2, 4, 8, 8], timestep: [2], encoder_hidden_states: [2, 3, 12] };
const FEEDS = {
  sample: float32(formulaNumbers(512, 1001, 4), SHAPES.sample),
  timestep: float32([981, 21], SHAPES.timestep),
  encoder_hidden_states: float32(formulaNumbers(72, 1002, 4), SHAPES.encoder_hidden_states),
};
const settings = { pattern: UNET.loraPattern, rank, alpha };

async function openUnet(): Promise<Graph> {
  const { bytes, ...weights } = await readModelFile(PATH);
  return prepareGraph(sharedEngine(), bytes, { label: PATH, inputShapes: SHAPES, ...weights });
}

async function difference(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
  expected: readonly number[],
) {
  const executable = await compileGraph(sharedEngine(), graph, { label: PATH });
  const [output] = Object.values(await executable.run(feeds));
  const found = float32Data(output, 'out_sample');
  return Math.max(...expected.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))));
}

/** [rows, columns] of a file, turned as graphs take it. */
function turned(shape: readonly [number, number], seed: number): Tensor<'float32'> {
  const [rows, columns] = shape;
  const values = formulaNumbers(rows * columns, seed, 1);
  const data = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
  return float32(data, [columns, rows]);
}

describe('nameByLayer', () => {
  it.each(['beside', 'folded'] as const)(
    'should find the layers of a UNet by dynamo, and compute what diffusers does with an adapter %s',
    async (form) => {
      const graph = await openUnet();
      const { graph: policy, adapters } = addLora(graph, { ...settings, form }, PATH);
      expect(adapters.map(({ layer }) => layer).sort()).toEqual(layers);
      const feeds = (numbers: 'zero' | 'formula') =>
        Object.fromEntries(
          adapters.flatMap((adapter) => {
            const { inFeatures, outFeatures, inputA, inputB, layer } = adapter;
            const index = layers.indexOf(layer);
            const b = turned([outFeatures, rank], 2 * index + 1);
            const zeros = float32(new Float32Array(b.data.length), adapterShapes(adapter, rank).b);
            return [
              [inputA, turned([rank, inFeatures], 2 * index)],
              [inputB, numbers === 'zero' ? zeros : b],
            ];
          }),
        );
      expect(await difference(graph, FEEDS, plain)).toBeLessThan(1e-5);
      expect(await difference(policy, { ...FEEDS, ...feeds('zero') }, plain)).toBeLessThan(1e-5);
      expect(await difference(policy, { ...FEEDS, ...feeds('formula') }, adapted)).toBeLessThan(1e-4);
      expect(await difference(graph, FEEDS, adapted)).toBeGreaterThan(1e-2);
    },
  );

  it('should name layers by their weights where there is no metadata, and leave names that are there', () => {
    const { graph } = decodeModel(readFileSync(PATH), PATH);
    for (const node of graph.node) node.metadataProps = [];
    expect(nameByLayer(graph)).toBe(true);
    const names = graph.node.map(({ name }) => name);
    expect(names).toContain('/conv_in/Conv');
    expect(names).toContain('/down_blocks.0/resnets.0/time_emb_proj/Gemm');
    expect(nameByLayer(graph)).toBe(false);
    expect(graph.node.map(({ name }) => name)).toEqual(names);
  });

  it('should take a graph without layers for an adapter as it is where none is asked for', async () => {
    const graph = await openUnet();
    const none = { ...settings, pattern: 'no/such/layer', form: 'folded' } as const;
    expect((await faultOf(async () => addLora(graph, none, PATH)))[0]).toBe('TRIB_LORA');
    expect(addLora(graph, { ...none, isOptional: true }, PATH)).toEqual({ graph, adapters: [] });
  });
});
