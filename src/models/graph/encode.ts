/** @file Graph -> ONNX model bytes. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, toBinary } from '@bufbuild/protobuf';
import type { Tensor } from '../tensor.js';
import { elementCode } from './element-codes.js';
import type { Attribute, Graph, Value } from './graph.js';
import { OPSET } from './graph.js';
import type { AttributeProtoSchema, TensorProtoSchema, ValueInfoProtoSchema } from './proto/onnx_pb.js';
import { AttributeProto_AttributeType as AttributeType, ModelProtoSchema } from './proto/onnx_pb.js';

export interface EncodeOptions {
  /**
   * Names of axes that stay open in the file, by input or output name: `{ sample: ['batch'] }` opens the first axis.
   * The graph must hold no constant that depends on the size.
   */
  readonly symbolicAxes?: Readonly<Record<string, readonly (string | undefined)[]>>;
}

/** Returns the graph as an ONNX model (IR version 9, opset 20, plus onnxruntime's fused operators). */
export function encodeGraph(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  const valueInfo = (value: Value): MessageInitShape<typeof ValueInfoProtoSchema> => ({
    name: value.name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: elementCode(value.type),
          shape: {
            dim: value.shape.map((size, axis) => {
              const symbol = options.symbolicAxes?.[value.name]?.[axis];
              return {
                value:
                  symbol === undefined
                    ? { case: 'dimValue', value: BigInt(size) }
                    : { case: 'dimParam', value: symbol },
              };
            }),
          },
        },
      },
    },
  });
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    producerName: 'tributary',
    opsetImport: [
      { domain: '', version: BigInt(OPSET) },
      { domain: 'com.microsoft', version: 1n },
    ],
    graph: {
      name: 'graph',
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
      initializer: [...graph.initializers].map(([name, tensor]) => tensorProto(name, tensor)),
      node: graph.nodes.map((node) => ({
        name: node.name,
        opType: node.op,
        domain: node.domain,
        input: trimmed(node.inputs.map((input) => input?.name ?? '')),
        output: node.outputs.map((output) => output.name),
        attribute: Object.entries(node.attributes).map(([name, attribute]) =>
          attributeProto(name, attribute),
        ),
      })),
    },
  });
  return toBinary(ModelProtoSchema, model);
}

function trimmed(names: string[]): string[] {
  while (names.at(-1) === '') names.pop();
  return names;
}

function tensorProto(
  name: string,
  { type, shape, data }: Tensor,
): MessageInitShape<typeof TensorProtoSchema> {
  return {
    name,
    dims: shape.map(BigInt),
    dataType: elementCode(type),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

function attributeProto(name: string, attribute: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  switch (attribute.kind) {
    case 'int':
      return { name, type: AttributeType.INT, i: BigInt(attribute.value) };
    case 'float':
      return { name, type: AttributeType.FLOAT, f: attribute.value };
    case 'string':
      return { name, type: AttributeType.STRING, s: new TextEncoder().encode(attribute.value) };
    case 'ints':
      return { name, type: AttributeType.INTS, ints: attribute.value.map(BigInt) };
    case 'floats':
      return { name, type: AttributeType.FLOATS, floats: [...attribute.value] };
    case 'tensor':
      return { name, type: AttributeType.TENSOR, t: tensorProto('', attribute.value) };
    default:
      return attribute satisfies never;
  }
}
