import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../src/models/engines/onnxruntime/engine.js';
import { prepareGraph } from '../../../src/models/engines/prepare-graph.js';
import type { Graph } from '../../../src/models/graph/graph.js';
import { decodeModel } from '../../../src/models/graph/onnx/decode.js';
import type { ModelProto } from '../../../src/models/graph/onnx/onnx_pb.js';
import { ModelProtoSchema } from '../../../src/models/graph/onnx/onnx_pb.js';
import { int64 } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { deadNodes, randomTensor, runModel } from '../../fixtures/run-model.js';
import { tinyUnet } from '../../fixtures/tiny-pipeline.js';

const TOKENS = 5;
const bytes = tinyUnet(TOKENS);
const shapes = (rows: number) => ({
  sample: [rows, 3, 16, 16],
  timestep: [rows],
  encoder_hidden_states: [rows, TOKENS, 16],
});

let engine: Engine;
beforeAll(() => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => engine.close());

const prepare = (model: Uint8Array, inputShapes: Record<string, readonly number[]> = shapes(2)) =>
  prepareGraph(engine, model, { label: 'unet/model.onnx', inputShapes });

/** The tiny UNet's file with something in it changed. */
function changed(
  change: (model: ModelProto & { graph: NonNullable<ModelProto['graph']> }) => void,
): Uint8Array {
  const model = decodeModel(bytes, 'tiny');
  change(model);
  return toBinary(ModelProtoSchema, model);
}

const values = ({ inputs, nodes }: Graph) => [...inputs, ...nodes.flatMap(({ outputs }) => outputs)];

describe('prepareGraph', () => {
  it('should fix open axes and know every shape', async () => {
    for (const rows of [1, 3]) {
      const graph = await prepare(bytes, shapes(rows));
      expect(graph.inputs.map(({ name, shape }) => [name, shape])).toEqual(Object.entries(shapes(rows)));
      expect(graph.outputs).toEqual([{ name: 'out_sample', type: 'float32', shape: [rows, 3, 16, 16] }]);
      expect(
        values(graph).every(({ shape }) => shape.every((size) => Number.isInteger(size) && size > 0)),
      ).toBe(true);
      expect(deadNodes(graph)).toEqual([]);
    }
  });

  it('should keep the names of nodes, by which adapters find their layers', async () => {
    const graph = await prepare(bytes);
    const names = graph.nodes.map(({ name }) => name);
    expect(names).toContain('/mid_block/attentions.0/transformer_blocks.0/attn1/to_out.0/MatMul');
  });

  it('should compute a row the same for any number of rows', async () => {
    const feeds = (rows: number) => ({
      sample: randomTensor(1, [rows, 3, 16, 16]),
      timestep: int64(Array.from({ length: rows }, () => 500)),
      encoder_hidden_states: randomTensor(2, [rows, TOKENS, 16]),
    });
    const one = await runModel(engine, await prepare(bytes, shapes(1)), feeds(1));
    const three = await runModel(engine, await prepare(bytes, shapes(3)), feeds(3));
    const [first, same] = [one.out_sample as Float32Array, three.out_sample?.subarray(0, 768)];
    first.forEach((value, i) => {
      expect(same?.[i]).toBeCloseTo(value, 5);
    });
  });

  it('should list the inputs if one is missing', async () => {
    expect(await faultOf(() => prepare(bytes, { latents: [2, 3, 16, 16] }))).toEqual([
      'TRIB_MODEL',
      'unet/model.onnx: expected an input "latents", got inputs sample, timestep, encoder_hidden_states. Export the model in the layout that optimum writes.',
    ]);
  });

  it('should say which sizes do not fit', async () => {
    expect(await faultOf(() => prepare(bytes, { ...shapes(2), sample: [2, 4, 16, 16] }))).toEqual([
      'TRIB_MODEL',
      'unet/model.onnx input "sample": expected sizes [2, 4, 16, 16], got [batch, 3, 16, 16]. Choose sizes that fit the model.',
    ]);
    expect(await faultOf(() => prepare(bytes, { ...shapes(2), timestep: [] }))).toEqual([
      'TRIB_MODEL',
      'unet/model.onnx input "timestep": expected sizes [], got [batch]. Choose sizes that fit the model.',
    ]);
  });

  it('should say which axis stays open', async () => {
    const { sample: _, ...others } = shapes(2);
    const [code, message] = await faultOf(() => prepare(bytes, others));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toBe(
      'unet/model.onnx input "sample": expected fixed sizes, got [batch, 3, 16, 16]. Give a size for batch.',
    );
  });

  it.each([
    [12n, '12'],
    [21n, '21'],
  ])('should refuse opset %i', async (version, shown) => {
    const model = changed(({ opsetImport }) => {
      for (const set of opsetImport) if (set.domain === '') set.version = version;
    });
    expect(await faultOf(() => prepare(model))).toEqual([
      'TRIB_MODEL',
      `unet/model.onnx: expected ONNX opset 13 to 20, got ${shown}. Export the model with opset 17.`,
    ]);
  });

  it('should refuse a file that is cut short, wherever that is', async () => {
    for (const share of [0.1, 0.5, 0.9, 0.999]) {
      const length = Math.floor(bytes.length * share);
      const [code, message] = await faultOf(() => prepare(bytes.subarray(0, length)));
      expect(code).toBe('TRIB_MODEL');
      expect(message).toMatch(/^unet\/model\.onnx.* \(truncated\?\)\. Copy the file again\.$/);
    }
  });

  it('should refuse an empty file and a model without a graph', async () => {
    for (const model of [new Uint8Array(), toBinary(ModelProtoSchema, create(ModelProtoSchema, {}))])
      expect(await faultOf(() => prepare(model))).toEqual([
        'TRIB_MODEL',
        'unet/model.onnx: expected an ONNX model with a graph, got 0 bytes without one (truncated?). Copy the file again.',
      ]);
  });

  it('should name the file if onnxruntime cannot read a node', async () => {
    const model = changed(({ graph }) => {
      const node = graph.node.find(({ opType }) => opType === 'Sigmoid');
      if (node) node.opType = 'NoSuchOp';
    });
    const [code, message] = await faultOf(() => prepare(model));
    expect(code).toBe('TRIB_ENGINE');
    expect(message).toMatch(/^unet\/model\.onnx: expected a graph that onnxruntime can run, got ".*NoSuchOp/);
  });
});
