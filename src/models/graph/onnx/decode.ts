/** @file Decodes ONNX model bytes into a Graph. The shapes of intermediates come from the caller (see prepare-graph.ts). */

import { fromBinary } from '@bufbuild/protobuf';
import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { isPickle, WHY_NO_PICKLE } from '../../files/read-bytes.js';
import { standIn } from '../../files/stand-in.js';
import { type ElementArrays, type ElementType, elementCount, type Tensor } from '../../tensor.js';
import type { Attribute, Graph, Node, Value } from '../graph.js';
import { elementTypeOf, storedShape } from './element-codes.js';
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  type ValueInfoProto,
} from './onnx_pb.js';
import { upgradeNode } from './opset-upgrade.js';

type ArrayType<A> = { new (buffer: ArrayBuffer): A; readonly BYTES_PER_ELEMENT: number };
const ARRAYS: { readonly [T in ElementType]: ArrayType<ElementArrays[T]> } = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** Parses an ONNX model. Errors: TRIB_MODEL, naming `where`, if the bytes are not a whole model. */
export function decodeModel(bytes: Uint8Array, where: string): ModelProto & { graph: GraphProto } {
  if (isPickle(bytes.subarray(0, 8))) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected an ONNX model, got ${WHY_NO_PICKLE}. Export the model to ONNX.`,
    );
  }
  const other = standIn(bytes.subarray(0, 8));
  if (other) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected an ONNX model, got ${other.got}. ${other.nextStep}`,
    );
  }
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected a whole ONNX model, got ${bytes.length} bytes that do not parse (truncated?). Copy the file again.`,
      { cause },
    );
  }
  if (model.graph === undefined || model.graph.node.length === 0) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected an ONNX model with a graph, got ${bytes.length} bytes without one (truncated?). Copy the file again.`,
    );
  }
  return model as ModelProto & { graph: GraphProto };
}

/** Sizes of a model's inputs by name; the size of an open axis is its name. */
export function inputAxes(model: { readonly graph: GraphProto }): Map<string, (number | string)[]> {
  return new Map(model.graph.input.map((input) => [input.name, axesOf(input)]));
}

export function axesOf(info: ValueInfoProto): (number | string)[] {
  const type = info.type?.value;
  const axes = type?.case === 'tensorType' ? (type.value.shape?.dim ?? []) : [];
  return axes.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : (value.value ?? '')));
}

/** Turns a parsed model into a Graph; `types` holds every output of a node, by name. */
export function toGraph(
  model: { readonly graph: GraphProto; readonly opsetImport: readonly { domain: string; version: bigint }[] },
  types: ReadonlyMap<string, Value>,
  where: string,
): Graph {
  const { graph } = model;
  const initializers = new Map<string, Tensor>(
    graph.initializer.map((proto) => [proto.name, toTensor(proto, `${where} initializer "${proto.name}"`)]),
  );
  const known = new Map<string, Value>(types);
  for (const [name, { type, shape }] of initializers) known.set(name, { name, type, shape });
  const inputs: Value[] = [];
  for (const input of graph.input) {
    if (initializers.has(input.name)) continue;
    const value = inputValue(input, where);
    known.set(value.name, value);
    inputs.push(value);
  }
  const find = (name: string): Value => {
    const value = known.get(name);
    if (value) return value;
    throw new TributaryError(
      'TRIB_MODEL',
      `${where} value "${name}": expected a known shape, got none. Export the model again, without control flow.`,
    );
  };
  const nodes: Node[] = [];
  for (const proto of graph.node) {
    const attributes = Object.fromEntries(
      proto.attribute.map((attribute) => [attribute.name, toAttribute(attribute, where)]),
    );
    if (proto.opType === 'Constant' && attributes.value?.kind === 'tensor') {
      const name = at(proto.output, 0);
      initializers.set(name, attributes.value.value);
      known.set(name, { name, type: attributes.value.value.type, shape: attributes.value.value.shape });
      continue;
    }
    const node = {
      name: proto.name || `${proto.opType}_${nodes.length}`,
      op: proto.opType,
      domain: proto.domain === 'ai.onnx' ? '' : proto.domain,
      inputs: proto.input.map((name) => (name === '' ? undefined : find(name))),
      outputs: proto.output.map((name, index): Value => {
        if (name !== '') return find(name);
        return { name: `${proto.name}_unused_${index}`, type: 'float32', shape: [] };
      }),
      attributes,
    };
    nodes.push(upgradeNode(node, initializers));
  }
  return {
    inputs,
    outputs: graph.output.map((output) => find(output.name)),
    initializers,
    stored: new Map(),
    nodes,
  };
}

function inputValue(info: ValueInfoProto, where: string): Value {
  const type = info.type?.value;
  const shape = axesOf(info);
  const open = shape.filter((size) => typeof size === 'string' || !(size >= 0));
  if (type?.case !== 'tensorType' || open.length > 0) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where} input "${info.name}": expected fixed sizes, got [${shape.join(', ')}]. Give a size for ${open.join(', ')}.`,
    );
  }
  return {
    name: info.name,
    type: elementTypeOf(type.value.elemType, `${where} input "${info.name}"`),
    shape: shape as number[],
  };
}

/** Reads a tensor, whichever of ONNX's fields holds its elements. */
export function toTensor(proto: TensorProto, where: string): Tensor {
  const type = elementTypeOf(proto.dataType, where);
  const shape = storedShape(proto, where);
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected data inside the file, got external data. Export the model with its weights inside.`,
    );
  }
  const data = proto.rawData.length > 0 ? rawElements(proto.rawData, type) : typedFields(proto, type);
  if (data?.length !== elementCount(shape)) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where}: expected ${elementCount(shape)} elements of ${type}, got ${data?.length ?? `${proto.rawData.length} bytes`} (truncated?). Copy the file again.`,
    );
  }
  return { type, shape, data };
}

/** Returns a tensor over bytes from outside the model, copied only if they are misaligned. */
export function externalTensor(proto: TensorProto, bytes: Uint8Array, where: string): Tensor {
  const type = elementTypeOf(proto.dataType, where);
  const ofType = ARRAYS[type] as new (
    buffer: ArrayBufferLike,
    start?: number,
    length?: number,
  ) => ElementArrays[typeof type];
  const size = ARRAYS[type].BYTES_PER_ELEMENT;
  const isAligned = bytes.byteOffset % size === 0;
  const data = isAligned
    ? new ofType(bytes.buffer, bytes.byteOffset, bytes.length / size)
    : new ofType(Uint8Array.from(bytes).buffer);
  return { type, shape: storedShape(proto, where), data };
}

function rawElements(bytes: Uint8Array, type: ElementType): ElementArrays[ElementType] | undefined {
  const ofType = ARRAYS[type];
  // From a Buffer, the parser returns views of the whole file, whose own `slice` would not copy.
  return bytes.length % ofType.BYTES_PER_ELEMENT === 0 ? new ofType(new Uint8Array(bytes).buffer) : undefined;
}

function typedFields(proto: TensorProto, type: ElementType): ElementArrays[ElementType] {
  switch (type) {
    case 'float32':
      return Float32Array.from(proto.floatData);
    case 'float64':
      return Float64Array.from(proto.doubleData);
    case 'int64':
      return BigInt64Array.from(proto.int64Data);
    case 'int32':
      return Int32Array.from(proto.int32Data);
    case 'float16':
      return Uint16Array.from(proto.int32Data);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(proto.int32Data);
    default:
      return type satisfies never;
  }
}

export function toAttribute(proto: AttributeProto, where: string): Attribute {
  switch (proto.type) {
    case AttributeType.INT:
      return { kind: 'int', value: Number(proto.i) };
    case AttributeType.FLOAT:
      return { kind: 'float', value: proto.f };
    case AttributeType.STRING:
      return { kind: 'string', value: new TextDecoder().decode(proto.s) };
    case AttributeType.INTS:
      return { kind: 'ints', value: proto.ints.map(Number) };
    case AttributeType.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case AttributeType.TENSOR:
      if (proto.t) return { kind: 'tensor', value: toTensor(proto.t, `${where} attribute "${proto.name}"`) };
      break;
    default:
  }
  throw new TributaryError(
    'TRIB_MODEL',
    `${where} attribute "${proto.name}": expected numbers, text or a tensor, got ${AttributeType[proto.type]}. Export the model without control flow.`,
  );
}
