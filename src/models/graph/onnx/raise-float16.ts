/** @file Raises a model from half to single precision: the same function, with less rounding. */

import { decodeFloat16 } from '../../numeric/float16.js';
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.js';

/** Attributes that name an element type by its number. */
const TYPE_ATTRIBUTES = new Set(['to', 'dtype']);

/**
 * Turns float16 into float32 wherever a model has it: inner weights, constants, inputs, outputs, casts. Returns whether there
 * was any. External weights are the caller's to raise (`raiseBytes`).
 */
export function raiseModel({ graph }: ModelProto & { graph: GraphProto }): boolean {
  let isRaised = false;
  for (const tensor of graph.initializer) {
    if (tensor.dataLocation === DataLocation.EXTERNAL) isRaised ||= tensor.dataType === DataType.FLOAT16;
    else isRaised = raiseTensor(tensor) || isRaised;
  }
  for (const node of graph.node) isRaised = raiseNode(node) || isRaised;
  for (const port of [...graph.input, ...graph.output]) isRaised = raisePort(port) || isRaised;
  // What it declares of intermediates refers to float16.
  if (isRaised) graph.valueInfo = [];
  return isRaised;
}

/** Returns the bytes of a float16 tensor as float32 and declares the tensor so; leaves other types unchanged. */
export function raiseBytes(tensor: TensorProto, bytes: Uint8Array): Uint8Array {
  if (tensor.dataType !== DataType.FLOAT16) return bytes;
  tensor.dataType = DataType.FLOAT;
  const aligned = Uint8Array.from(bytes);
  const values = decodeFloat16(new Uint16Array(aligned.buffer, 0, aligned.length / 2));
  return new Uint8Array(values.buffer);
}

function raiseTensor(tensor: TensorProto): boolean {
  if (tensor.dataType !== DataType.FLOAT16) return false;
  if (tensor.rawData.length > 0) tensor.rawData = raiseBytes(tensor, tensor.rawData);
  else {
    tensor.floatData = [...decodeFloat16(tensor.int32Data)];
    tensor.int32Data = [];
  }
  tensor.dataType = DataType.FLOAT;
  return true;
}

function raiseNode(node: NodeProto): boolean {
  let isRaised = false;
  for (const attribute of node.attribute) {
    if (attribute.t) isRaised = raiseTensor(attribute.t) || isRaised;
    if (TYPE_ATTRIBUTES.has(attribute.name) && attribute.i === BigInt(DataType.FLOAT16)) {
      attribute.i = BigInt(DataType.FLOAT);
      isRaised = true;
    }
  }
  return isRaised;
}

function raisePort(port: ValueInfoProto): boolean {
  const type = port.type?.value;
  if (type?.case !== 'tensorType' || type.value.elemType !== DataType.FLOAT16) return false;
  type.value.elemType = DataType.FLOAT;
  return true;
}
