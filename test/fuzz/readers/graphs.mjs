/** @file ONNX models: the graph, and weights that lie in files beside it. onnxruntime itself is not asked. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { decodeModel, inputAxes, toTensor } from '../../../dist/models/graph/onnx/decode.js';
import { readModelFile } from '../../../dist/models/graph/onnx/model-file.js';
import { ModelProtoSchema, TensorProto_DataLocation } from '../../../dist/models/graph/onnx/onnx_pb.js';
import { damagedBytes } from '../damage.mjs';

const [FLOAT, FLOAT16] = [1, 10];
const raw = (values) => new Uint8Array(Float32Array.from(values).buffer);
const outside = (name, offset, dims, dataType = FLOAT) => ({
  name,
  dims,
  dataType,
  dataLocation: TensorProto_DataLocation.EXTERNAL,
  externalData: [
    { key: 'location', value: 'weights.bin' },
    { key: 'offset', value: String(offset) },
    { key: 'length', value: '16' },
  ],
});

/** A small model with weights of every way to store them. */
const small = toBinary(
  ModelProtoSchema,
  create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'small',
      input: [
        {
          name: 'x',
          type: {
            value: {
              case: 'tensorType',
              value: { elemType: FLOAT, shape: { dim: [{ value: { case: 'dimValue', value: 4n } }] } },
            },
          },
        },
      ],
      output: [{ name: 'y' }],
      node: [
        { opType: 'Add', input: ['x', 'inside'], output: ['z'] },
        { opType: 'Add', input: ['z', 'outside'], output: ['y'] },
      ],
      initializer: [
        { name: 'inside', dims: [4n], dataType: FLOAT, rawData: raw([1, 2, 3, 4]) },
        { name: 'typed', dims: [2n], dataType: FLOAT, floatData: [1, 2] },
        outside('outside', 0, [4n]),
        outside('half', 16, [8n], FLOAT16),
      ],
    },
  }),
);

export const graphs = [
  {
    name: 'ONNX model',
    async open(folder) {
      const path = join(folder, 'model.onnx');
      await writeFile(join(folder, 'weights.bin'), new Uint8Array(4096));
      const shapes = join(import.meta.dirname, '../../../models/shapes/text_encoder/model.onnx');
      return {
        files: damagedBytes([small, small, small, await readFile(shapes)]),
        async read(bytes) {
          await writeFile(path, bytes);
          const { bytes: read, externalData, stored } = await readModelFile(path);
          const model = decodeModel(read, path);
          inputAxes(model);
          for (const tensor of model.graph.initializer) {
            if (!externalData.has(tensor.name) && !stored.has(tensor.name)) toTensor(tensor, path);
          }
        },
      };
    },
  },
];
