/** @file Encodes a Graph as ONNX model bytes. */

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';
import { elementCount, type Tensor } from '../../tensor.js';
import {
  type Attribute,
  type Graph,
  LARGE_BYTES,
  type Node,
  OPSET,
  type StoredTensor,
  type Value,
} from '../graph.js';
import { commonFolder, locationIn } from '../stored-files.js';
import { elementCode, STORED_BYTES, type StoredType } from './element-codes.js';
import { type ExternalPlace, placeOutside } from './external-data.js';
import {
  type AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.js';
import { areRaised, raisedWeights } from './raised-weights.js';

export interface EncodeOptions {
  /**
   * Names of axes that stay open in the file, by input or output name: `{ sample: ['batch'] }` opens the first axis. No
   * constant of the graph may depend on the size of an open axis.
   */
  readonly symbolicAxes?: Readonly<Record<string, readonly (string | undefined)[]>>;
}

/** A model and its weights. */
interface EncodedGraph {
  readonly model: Uint8Array;
  /** Bytes of the large initializers by name, not copied. */
  readonly externalData: ReadonlyMap<string, Uint8Array>;
  /** Folder that holds the files of the graph's stored constants; absent if there are none. */
  readonly weightsFolder?: string;
  /** Whether it raises stored constants from half precision. */
  readonly raisesWeights: boolean;
}

/**
 * Returns the graph as an ONNX model (IR version 9, opset 20, plus onnxruntime's fused operators) with its weights inside.
 *
 * Errors: TRIB_INTERNAL if the graph has constants on disk.
 */
export function encodeGraph(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  if (graph.stored.size > 0) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `graph: expected all constants in memory, got ${graph.stored.size} on disk. Encode it with encodeGraphApart.`,
    );
  }
  return encode(graph, options, tensorProto);
}

/** Like `encodeGraph`, but keeps large weights outside the model: a protobuf message is limited to 2 GiB. */
export function encodeGraphApart(
  graph: Graph,
  { externalBytes = LARGE_BYTES, ...options }: EncodeOptions & { readonly externalBytes?: number } = {},
): EncodedGraph {
  const externalData = new Map<string, Uint8Array>();
  const weightsFolder = commonFolder(graph.stored.values());
  const model = encode(graph, options, (name, tensor) => {
    // onnxruntime takes weights from memory or from files, not from both.
    if (tensor.data.byteLength < externalBytes || graph.stored.size > 0) return tensorProto(name, tensor);
    const { buffer, byteOffset, byteLength } = tensor.data;
    externalData.set(name, new Uint8Array(buffer, byteOffset, byteLength));
    return outsideProto(name, tensor, { location: name, start: 0 });
  });
  const raisesWeights = areRaised(graph.stored);
  return { model, externalData, raisesWeights, ...(weightsFolder === undefined ? {} : { weightsFolder }) };
}

/** The declaration of a tensor whose bytes are outside the model. */
function outsideProto(
  name: string,
  { type, shape }: { readonly type: StoredType; readonly shape: readonly number[] },
  place: Pick<ExternalPlace, 'location' | 'start'>,
): TensorProto {
  const tensor = create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: elementCode(type) });
  placeOutside(tensor, { ...place, length: elementCount(shape) * STORED_BYTES[type] });
  return tensor;
}

function storedProto(name: string, tensor: StoredTensor, folder: string): TensorProto {
  const { type, inFile = type, shape, offset } = tensor;
  return outsideProto(name, { type: inFile, shape }, { location: locationIn(folder, tensor), start: offset });
}

type TensorInit = MessageInitShape<typeof TensorProtoSchema>;

function encode(
  graph: Graph,
  options: EncodeOptions,
  initializer: (name: string, tensor: Tensor) => TensorInit,
): Uint8Array {
  const folder = commonFolder(graph.stored.values()) ?? '';
  const raised = raisedWeights(graph.stored);
  const inputs = (node: Node) => node.inputs.map((input) => input && raised.read(input));
  // Before their casts are listed.
  const nodes = graph.nodes.map((node) => nodeProto(node, inputs(node)));
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
      initializer: [
        ...[...graph.initializers].map(([name, tensor]) => initializer(name, tensor)),
        ...[...graph.stored].map(([name, tensor]) => storedProto(name, tensor, folder)),
      ],
      node: [...raised.casts.map((cast) => nodeProto(cast)), ...nodes],
    },
  });
  return toBinary(ModelProtoSchema, model);
}

/** Returns the declaration of an input with fixed sizes. */
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

const nodeProto = (
  { name, op, domain, inputs: own, outputs, attributes }: Node,
  inputs = own,
): MessageInitShape<typeof NodeProtoSchema> => ({
  name,
  opType: op,
  domain,
  input: trimEnd(inputs.map((input) => input?.name ?? '')),
  output: outputs.map((output) => output.name),
  attribute: Object.entries(attributes).map(([key, attribute]) => attributeProto(key, attribute)),
});

function trimEnd(names: string[]): string[] {
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
