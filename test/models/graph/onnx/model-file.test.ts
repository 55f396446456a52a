/** @file ONNX files as exporters leave them: half precision, weights in files beside the model, timesteps of any type. */

import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import { compileGraph, compileModelFile } from '../../../../src/models/engines/compile-graph.js';
import type { Engine, Executable } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import { decodeModel } from '../../../../src/models/graph/onnx/decode.js';
import { encodeGraph, encodeGraphApart } from '../../../../src/models/graph/onnx/encode.js';
import { readModelFile } from '../../../../src/models/graph/onnx/model-file.js';
import {
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
} from '../../../../src/models/graph/onnx/onnx_pb.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import { float32Data, int64, type Tensor } from '../../../../src/models/tensor.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { movedOut, type ParsedModel, rounded } from '../../../fixtures/onnx-variants.js';
import { TINY_LORA } from '../../../fixtures/open-tiny.js';
import { largestDifference, randomTensor } from '../../../fixtures/run-model.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { tinyUnet } from '../../../fixtures/tiny-pipeline.js';

const TOKENS = 5;
const SHAPES = { sample: [2, 3, 16, 16], timestep: [2], encoder_hidden_states: [2, TOKENS, 16] };
const FEEDS: Readonly<Record<string, Tensor>> = {
  sample: randomTensor(1, SHAPES.sample),
  timestep: int64([981, 21]),
  encoder_hidden_states: randomTensor(2, SHAPES.encoder_hidden_states),
};

let engine: Engine;
beforeAll(() => {
  engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => engine.close());

async function written(edit: (model: ParsedModel) => Map<string, Uint8Array> | undefined): Promise<string> {
  const folder = await temporaryFolder();
  const model = decodeModel(tinyUnet(TOKENS), 'tiny');
  const files = edit(model) ?? new Map<string, Uint8Array>();
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  await writeFile(join(folder, 'model.onnx'), toBinary(ModelProtoSchema, model));
  return join(folder, 'model.onnx');
}

async function prepared(path: string) {
  const { bytes, ...weights } = await readModelFile(path);
  return prepareGraph(engine, bytes, { label: path, inputShapes: SHAPES, ...weights });
}

async function outputOf(path: string): Promise<Float32Array> {
  const executable = await compileGraph(engine, await prepared(path), { label: path });
  const { out_sample: output } = await executable.run(FEEDS);
  return float32Data(output, 'out_sample');
}

const plain = () => written((model) => void rounded(model, false));

describe('readModelFile', () => {
  it.each([
    ['in half precision', (model: ParsedModel) => void rounded(model, true)],
    [
      'with its weights in files beside it',
      (model: ParsedModel) => {
        rounded(model, false);
        return movedOut(model);
      },
    ],
    [
      'in half precision, with its weights in files beside it',
      (model: ParsedModel) => {
        rounded(model, true);
        return movedOut(model);
      },
    ],
  ])('should give a model %s the same function, prepared or as it lies on disk', async (_, edit) => {
    const expected = await outputOf(await plain());
    const path = await written(edit);
    expect(largestDifference(await outputOf(path), expected)).toBeLessThan(1e-5);
    const asOnDisk = await compileModelFile(engine, path);
    const { out_sample: output } = await asOnDisk.run(FEEDS);
    expect(largestDifference(float32Data(output, 'out_sample'), expected)).toBeLessThan(1e-5);
    const { adapters } = addLora(await prepared(path), { ...TINY_LORA, form: 'beside' }, path);
    expect(adapters.length).toBe(
      addLora(await prepared(await plain()), { ...TINY_LORA, form: 'beside' }, '').adapters.length,
    );
  });

  it('should say which file of weights is missing, or too short', async () => {
    const missing = await written((model) => {
      movedOut(model);
      return undefined;
    });
    const [code, message] = await faultOf(() => readModelFile(missing));
    expect(code).toBe('TRIB_FILE');
    expect(message).toMatch(/(model\.onnx_data|second\.pb): expected the weights of a model, got ENOENT\./);
    const short = await written(
      (model) => new Map([...movedOut(model)].map(([name, bytes]) => [name, bytes.subarray(0, 70)])),
    );
    expect(await faultOf(() => readModelFile(short))).toEqual([
      'TRIB_MODEL',
      expect.stringMatching(
        /initializer ".*": expected \d+ bytes from byte \d+ of .*, got a file of \d+\. Copy the file again\.$/,
      ),
    ]);
  });

  it.each(['../outside', '/etc/passwd', 'a/../../b', ''])(
    'should not read external data from "%s"',
    async (location) => {
      const path = await written((model) => {
        movedOut(model);
        for (const tensor of model.graph.initializer)
          for (const entry of tensor.externalData) if (entry.key === 'location') entry.value = location;
        return undefined;
      });
      expect(await faultOf(() => readModelFile(path))).toEqual([
        'TRIB_MODEL',
        expect.stringContaining(`expected external data in a file beside the model, got "${location}"`),
      ]);
    },
  );

  it.each(['-8', 'x', '1e30'])('should refuse the offset %s', async (offset) => {
    const path = await written((model) => {
      const files = movedOut(model);
      for (const tensor of model.graph.initializer)
        for (const entry of tensor.externalData) if (entry.key === 'offset') entry.value = offset;
      return files;
    });
    expect((await faultOf(() => readModelFile(path)))[0]).toBe('TRIB_MODEL');
  });

  it.each([
    ['negative', (dims: readonly bigint[]) => dims.map((size, index) => (index < 2 ? -size : size))],
    ['beyond all counting', (dims: readonly bigint[]) => dims.map(() => 2n ** 40n)],
  ])('should refuse sizes of external weights that are %s', async (_, change) => {
    const path = await written((model) => {
      const files = movedOut(model);
      // Two negative sizes multiply to the number of elements that the file has.
      for (const tensor of model.graph.initializer)
        if (tensor.externalData.length > 0 && tensor.dims.length > 1) tensor.dims = change(tensor.dims);
      return files;
    });
    expect(await faultOf(() => readModelFile(path))).toEqual([
      'TRIB_MODEL',
      expect.stringMatching(
        /initializer ".*": expected sizes of at least 0, got \[.*\]\. Export the model again\.$/,
      ),
    ]);
  });
});

describe('encodeGraphApart', () => {
  it('should name large weights in the model and leave their bytes where they are', async () => {
    const graph = await prepared(await plain());
    const { model, externalData } = encodeGraphApart(graph, { externalBytes: 64 });
    expect(externalData.size).toBeGreaterThan(20);
    for (const [name, bytes] of externalData)
      expect(bytes.buffer).toBe(graph.initializers.get(name)?.data.buffer);
    const executable = await engine.compile(model, { label: 'apart', externalData });
    const { out_sample: output } = await executable.run(FEEDS);
    expect(float32Data(output, 'out_sample')).toEqual(await outputOf(await plain()));
  });
});

describe('weights of megabytes beside a model', () => {
  const SIZE = 512;
  /** y = relu(x W V) with W where a runtime can map it, and V at an odd place. */
  async function written(): Promise<string> {
    const folder = await temporaryFolder();
    const g = new GraphBuilder();
    const weight = (name: string, seed: number) =>
      g.initializer(name, randomTensor(seed, [SIZE, SIZE], SIZE ** -0.5));
    const product = g.input('x', 'float32', [4, SIZE]).matMul(weight('w', 1), { name: '/w/MatMul' });
    g.output(product.matMul(weight('v', 2), { name: '/v/MatMul' }).relu(), 'y');
    await writeFile(join(folder, 'whole.onnx'), encodeGraph(g.build()));
    const model = decodeModel(encodeGraph(g.build()), 'model');
    const [w, v] = model.graph.initializer;
    for (const [tensor, location, offset] of [
      [w, 'data/w.bin', 64],
      [v, 'v.bin', 3],
    ] as const) {
      if (!tensor) throw new Error('expected two weights');
      await mkdir(dirname(join(folder, location)), { recursive: true });
      await writeFile(join(folder, location), Buffer.concat([Buffer.alloc(offset), tensor.rawData]));
      const entries = { location, offset: String(offset), length: String(tensor.rawData.length) };
      tensor.externalData = Object.entries(entries).map(([key, value]) =>
        create(StringStringEntryProtoSchema, { key, value }),
      );
      tensor.rawData = new Uint8Array();
      tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    }
    await writeFile(join(folder, 'model.onnx'), toBinary(ModelProtoSchema, model));
    return folder;
  }

  it('should stay in their file, and be used there as the others are', async () => {
    const folder = await written();
    const path = join(folder, 'model.onnx');
    const { stored, externalData } = await readModelFile(path);
    expect([...stored]).toEqual([
      ['w', { type: 'float32', shape: [SIZE, SIZE], folder, location: 'data/w.bin', offset: 64 }],
    ]);
    expect(externalData.size).toBe(0);
    const x = randomTensor(3, [4, SIZE]);
    const y = async (executable: Executable) => float32Data((await executable.run({ x })).y, 'y');
    const expected = await y(await compileModelFile(engine, join(folder, 'whole.onnx')));
    expect(largestDifference(await y(await compileModelFile(engine, path)), expected)).toBeLessThan(1e-5);
    const { bytes, ...weights } = await readModelFile(path);
    const graph = await prepareGraph(engine, bytes, { label: path, inputShapes: {}, ...weights });
    expect([...graph.stored.keys()]).toEqual(['w']);
    expect(
      largestDifference(await y(await compileGraph(engine, graph, { label: path })), expected),
    ).toBeLessThan(1e-5);
  });

  it('should be found behind links, as the hub keeps them in its cache', async () => {
    const [folder, blobs] = [await written(), await temporaryFolder()];
    const y = async (path: string) =>
      float32Data(
        (await (await compileModelFile(engine, path)).run({ x: randomTensor(3, [4, SIZE]) })).y,
        'y',
      );
    const expected = await y(join(folder, 'model.onnx'));
    for (const [index, name] of ['model.onnx', 'data/w.bin', 'v.bin'].entries()) {
      await rename(join(folder, name), join(blobs, `${index}`));
      await symlink(join(blobs, `${index}`), join(folder, name));
    }
    expect(await y(join(folder, 'model.onnx'))).toEqual(expected);
  });

  it('should be differentiated where they lie', async () => {
    const folder = await written();
    const gradientOf = async (name: string) => {
      const path = join(folder, name);
      const { bytes, ...weights } = await readModelFile(path);
      const graph = await prepareGraph(engine, bytes, { label: path, inputShapes: {}, ...weights });
      const g = GraphBuilder.from(graph);
      g.clearOutputs();
      const [derivative] = gradients(g, g.value('y').meanAll(), [g.value('x')]);
      if (derivative) g.output(derivative, 'dx');
      const built = g.build();
      const executable = await compileGraph(engine, built, { label: path });
      const { dx } = await executable.run({ x: randomTensor(3, [4, SIZE]) });
      const transposed = built.nodes.filter(({ op: name }) => name === 'Transpose');
      return { dx: float32Data(dx, 'dx'), transposed: transposed.map(({ inputs }) => inputs[0]?.name) };
    };
    const [found, expected] = [await gradientOf('model.onnx'), await gradientOf('whole.onnx')];
    expect(expected.transposed).toEqual(['v', 'w']);
    expect(found.transposed).toEqual(['v']);
    expect(largestDifference(found.dx, expected.dx)).toBeLessThan(1e-5);
  });
});
