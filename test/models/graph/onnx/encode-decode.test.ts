import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../../../src/errors.js';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Attribute, Graph, Value } from '../../../../src/models/graph/graph.js';
import { float, int, ints, text } from '../../../../src/models/graph/graph.js';
import { decodeModel, inputAxes, toGraph, toTensor } from '../../../../src/models/graph/onnx/decode.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  ModelProtoSchema,
  TensorProtoSchema,
} from '../../../../src/models/graph/onnx/onnx_pb.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import { emitCase } from '../../autodiff/check-gradient.js';
import { GRADIENT_CASES } from '../../autodiff/gradient-cases.js';

/** Types of everything that nodes make, which a file does not hold. */
const typesOf = (graph: Graph) =>
  new Map(
    graph.nodes.flatMap((node) => node.outputs.map((output): [string, Value] => [output.name, output])),
  );
const decode = (bytes: Uint8Array, types: ReadonlyMap<string, Value>) =>
  toGraph(decodeModel(bytes, 'model.onnx'), types, 'model.onnx');
const modelError = (message: string | RegExp) =>
  expect.objectContaining({
    code: 'TRIB_MODEL',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });

/** What a file keeps of a graph: float32 attributes, no absent inputs at the end, and not what a node is derived from. */
function asStored(graph: Graph): Graph {
  const rounded = (attribute: Attribute): Attribute =>
    attribute.kind === 'float' ? float(Math.fround(attribute.value)) : attribute;
  return {
    ...graph,
    nodes: graph.nodes.map(({ forward: _, ...node }) => ({
      ...node,
      inputs: node.inputs.slice(0, node.inputs.findLastIndex((input) => input !== undefined) + 1),
      attributes: Object.fromEntries(Object.entries(node.attributes).map(([name, a]) => [name, rounded(a)])),
    })),
  };
}

/** Forward and backward passes of all gradient cases: every operator, every kind of attribute. */
function largeGraph(): Graph {
  const g = new GraphBuilder();
  Object.values(GRADIENT_CASES)
    .flat()
    .forEach((testCase, index) => {
      const { inputs, outputs } = emitCase(g, testCase, `case${index}`);
      const loss = outputs.map((output) => output.sumAll()).reduce((a, b) => a.add(b));
      const parameters = inputs.filter((_, i) => !testCase.inputs[i]?.frozen);
      for (const gradient of gradients(g, loss, parameters)) g.output(gradient);
    });
  return g.build();
}

function smallGraph(): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  const weight = g.initializer('weight', float32([1, 2, 3, 4, 5, 6], [3, 2]));
  g.output(x.matMul(weight).reshape([4]), 'y');
  return g.build();
}

describe('encodeGraph and toGraph', () => {
  it('should bring every operator back as it was', () => {
    const graph = largeGraph();
    expect(decode(encodeGraph(graph), typesOf(graph))).toEqual(asStored(graph));
  });

  it('should bring a foreign node back: domain, all kinds of attribute, an absent input, unnamed outputs', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float16', [2]);
    const outputs: Value[] = [{ name: 'y', type: 'float16', shape: [2] }];
    const attributes = {
      floats: { kind: 'floats', value: [0.5, -2] },
      int: int(-3),
      ints: ints([1, -1]),
      tensor: { kind: 'tensor', value: int64([4, 5]) },
      text: text('größer'),
    } as const;
    g.append({
      name: 'n',
      op: 'Fused',
      domain: 'com.microsoft',
      inputs: [x, undefined, x],
      outputs,
      attributes,
    });
    g.output(g.value('y'));
    const graph = g.build();
    expect(decode(encodeGraph(graph), typesOf(graph))).toEqual(graph);
  });

  it.each<[string, Tensor]>([
    ['float32', { type: 'float32', shape: [2], data: Float32Array.of(0, 1.5, -2).subarray(1) }],
    ['float64', { type: 'float64', shape: [1, 1], data: Float64Array.of(1e-300) }],
    ['float16', { type: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xfbff) }],
    ['int64', { type: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 62n)) }],
    ['int32', { type: 'int32', shape: [2], data: Int32Array.of(-1, 2 ** 30) }],
    ['uint8', { type: 'uint8', shape: [3], data: Uint8Array.of(1, 0, 255).subarray(0, 3) }],
    ['bool', { type: 'bool', shape: [2], data: Uint8Array.of(1, 0) }],
    ['an empty tensor', { type: 'float32', shape: [0, 2], data: new Float32Array() }],
  ])('should keep the elements of %s', (_, tensor) => {
    const g = new GraphBuilder();
    g.output(g.initializer('weight', tensor).identity(), 'y');
    const graph = g.build();
    const found = decode(encodeGraph(graph), typesOf(graph)).initializers.get('weight');
    expect(found).toEqual({ ...tensor, data: tensor.data.slice() });
  });

  it('should copy elements out of a Buffer, which shares its memory with others', () => {
    const g = new GraphBuilder();
    const weight: Tensor = { type: 'float32', shape: [2], data: Float32Array.of(1.5, -2) };
    g.output(g.initializer('weight', weight).identity(), 'y');
    const graph = g.build();
    const bytes = Buffer.from(encodeGraph(graph));
    const found = decode(bytes, typesOf(graph)).initializers.get('weight');
    bytes.fill(0);
    expect(found).toEqual(weight);
    expect(found?.data.buffer.byteLength).toBe(8);
  });

  it('should open the axes that are given a name', () => {
    const bytes = encodeGraph(smallGraph(), { symbolicAxes: { x: ['batch'], y: ['rows'] } });
    const model = decodeModel(bytes, 'model.onnx');
    expect(inputAxes(model)).toEqual(new Map([['x', ['batch', 3]]]));
    expect(() => decode(bytes, new Map())).toThrowError(
      modelError('model.onnx input "x": expected fixed sizes, got [batch, 3]. Give a size for batch.'),
    );
  });
});

describe('toTensor', () => {
  it.each([
    ['float32', { dataType: DataType.FLOAT, floatData: [1, 2] }, Float32Array.of(1, 2)],
    ['float64', { dataType: DataType.DOUBLE, doubleData: [1, 2] }, Float64Array.of(1, 2)],
    ['float16', { dataType: DataType.FLOAT16, int32Data: [0x3c00, 0] }, Uint16Array.of(0x3c00, 0)],
    ['int64', { dataType: DataType.INT64, int64Data: [-1n, 2n] }, BigInt64Array.of(-1n, 2n)],
    ['int32', { dataType: DataType.INT32, int32Data: [-1, 2] }, Int32Array.of(-1, 2)],
    ['uint8', { dataType: DataType.UINT8, int32Data: [1, 255] }, Uint8Array.of(1, 255)],
    ['bool', { dataType: DataType.BOOL, int32Data: [1, 0] }, Uint8Array.of(1, 0)],
  ])('should read %s from its typed field', (type, fields, data) => {
    expect(toTensor(create(TensorProtoSchema, { dims: [2n], ...fields }), 'here')).toEqual({
      type,
      shape: [2],
      data,
    });
  });

  it.each([
    [
      'too few elements',
      { dataType: DataType.FLOAT, floatData: [1] },
      'here: expected 2 elements of float32, got 1 (truncated?). Copy the file again.',
    ],
    [
      'half an element',
      { dataType: DataType.FLOAT, rawData: new Uint8Array(7) },
      'here: expected 2 elements of float32, got 7 bytes (truncated?). Copy the file again.',
    ],
    [
      'data in another file',
      { dataType: DataType.FLOAT, dataLocation: DataLocation.EXTERNAL },
      'here: expected data inside the file, got external data. Export the model with its weights inside.',
    ],
    [
      'another element type',
      { dataType: DataType.BFLOAT16 },
      'here: expected an element type of float32, uint8, int32, int64, bool, float16, float64, got ONNX type BFLOAT16. Export the model in float32.',
    ],
  ])('should refuse %s', (_, fields, message) => {
    expect(() => toTensor(create(TensorProtoSchema, { dims: [2n], ...fields }), 'here')).toThrowError(
      modelError(message),
    );
  });
});

describe('damaged models', () => {
  const graph = smallGraph();
  const bytes = encodeGraph(graph);
  const types = typesOf(graph);

  it('should say so of an empty file and of something else', () => {
    expect(() => decodeModel(new Uint8Array(), 'm.onnx')).toThrowError(
      modelError(
        'm.onnx: expected an ONNX model with a graph, got 0 bytes without one (truncated?). Copy the file again.',
      ),
    );
    expect(() => decodeModel(new TextEncoder().encode('{html}not a model</html>'), 'm.onnx')).toThrowError(
      modelError(/^m\.onnx: expected a whole ONNX model, got 24 bytes that do not parse/),
    );
  });

  it('should never read a truncated model as something else', () => {
    for (let length = 0; length < bytes.length; length++) {
      let found: Graph | undefined;
      try {
        found = decode(bytes.slice(0, length), types);
      } catch (error) {
        expect(error).toEqual(modelError(/truncated|expected a known shape/));
      }
      if (found !== undefined) expect(found).toEqual(graph);
    }
  });

  it('should answer any change of bytes with a graph or a coded error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const damaged = bytes.slice();
          for (const [position, byte] of changes) damaged[position] = byte;
          try {
            decode(damaged, types);
          } catch (error) {
            expect(error).toBeInstanceOf(TributaryError);
            expect((error as TributaryError).code).toBe('TRIB_MODEL');
          }
        },
      ),
      { numRuns: 500, seed: 2 },
    );
  });

  it('should refuse a value of unknown shape', () => {
    expect(() => decode(bytes, new Map())).toThrowError(
      modelError(
        /^model\.onnx value "\/MatMul_output": expected a known shape, got none\. Export the model again, without control flow\.$/,
      ),
    );
  });

  it('should refuse attributes that hold graphs', () => {
    const model = fromBinary(ModelProtoSchema, bytes);
    model.graph?.node[0]?.attribute.push(
      create(AttributeProtoSchema, { name: 'body', type: AttributeType.GRAPH }),
    );
    expect(() => decode(toBinary(ModelProtoSchema, model), types)).toThrowError(
      modelError(
        'model.onnx attribute "body": expected numbers, text or a tensor, got GRAPH. Export the model without control flow.',
      ),
    );
  });
});
