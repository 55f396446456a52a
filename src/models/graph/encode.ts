/** @file Graph -> ONNX model bytes. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, toBinary } from '@bufbuild/protobuf';
import type { Tensor } from '../tensor.js';
import { elementCode } from './element-codes.js';
import type { Attribute, Graph, Value } from './graph.js';
import { OPSET } from './graph.js';
import type { AttributeProtoSchema, TensorProtoSchema, ValueInfoProto } from './proto/onnx_pb.js';
import {
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  TensorProto_DataLocation,
  ValueInfoProtoSchema,
} from './proto/onnx_pb.js';

export interface EncodeOptions {
  /**
   * Names of axes that stay open in the file, by input or output name: `{ sample: ['batch'] }` opens the first axis.
   * The graph must hold no constant that depends on the size.
   */
  readonly symbolicAxes?: Readonly<Record<string, readonly (string | undefined)[]>>;
}

/** Initialisers of at least so many bytes lie outside the model: protobuf ends at 2 GiB. */
const EXTERNAL_BYTES = 2 ** 20;

/** A model, and the weights that it names. */
export interface EncodedGraph {
  readonly model: Uint8Array;
  /** Bytes of the large initialisers, not copied, by name. */
  readonly externalData: ReadonlyMap<string, Uint8Array>;
}

/** Returns the graph as an ONNX model (IR version 9, opset 20, plus onnxruntime's fused operators), weights inside. */
export function encodeGraph(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  return encode(graph, options, tensorProto);
}

/** Like `encodeGraph`, but large weights are named in the model and lie outside of it. */
export function encodeGraphApart(
  graph: Graph,
  { externalBytes = EXTERNAL_BYTES, ...options }: EncodeOptions & { readonly externalBytes?: number } = {},
): EncodedGraph {
  const externalData = new Map<string, Uint8Array>();
  const model = encode(graph, options, (name, tensor) => {
    if (tensor.data.byteLength < externalBytes) return tensorProto(name, tensor);
    const { buffer, byteOffset, byteLength } = tensor.data;
    externalData.set(name, new Uint8Array(buffer, byteOffset, byteLength));
    return {
      name,
      dims: tensor.shape.map(BigInt),
      dataType: elementCode(tensor.type),
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: [
        { key: 'location', value: name },
        { key: 'offset', value: '0' },
        { key: 'length', value: String(byteLength) },
      ],
    };
  });
  return { model, externalData };
}

type TensorInit = MessageInitShape<typeof TensorProtoSchema>;

function encode(
  graph: Graph,
  options: EncodeOptions,
  initializer: (name: string, tensor: Tensor) => TensorInit,
): Uint8Array {
  const port = (value: Value) => valueInfo(value, options.symbolicAxes?.[value.name]);
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    producerName: 'tributary',
    opsetImport: [
      { domain: '', version: BigInt(OPSET) },
      { domain: 'com.microsoft', version: 1n },
    ],
    graph: {
      name: 'graph',
      input: graph.inputs.map(port),
      output: graph.outputs.map(port),
      initializer: [...graph.initializers].map(([name, tensor]) => initializer(name, tensor)),
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

/** The declaration of an input of fixed sizes. */
export const inputInfo = (value: Value): ValueInfoProto => create(ValueInfoProtoSchema, valueInfo(value));

function valueInfo(
  { name, type, shape }: Value,
  symbols: readonly (string | undefined)[] = [],
): MessageInitShape<typeof ValueInfoProtoSchema> {
  const dim = shape.map((size, axis) => {
    const symbol = symbols[axis];
    return {
      value:
        symbol === undefined
          ? { case: 'dimValue' as const, value: BigInt(size) }
          : { case: 'dimParam' as const, value: symbol },
    };
  });
  return {
    name,
    type: { value: { case: 'tensorType', value: { elemType: elementCode(type), shape: { dim } } } },
  };
}

function trimmed(names: string[]): string[] {
  while (names.at(-1) === '') names.pop();
  return names;
}

function tensorProto(name: string, { type, shape, data }: Tensor): TensorInit {
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
