/** @file An ONNX model as steps in order, which the tfjs engine runs. Shapes come with the tensors. */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { readPart } from '../../files/read-bytes.js';
import type { Attributes } from '../../graph/graph.js';
import { axesOf, decodeModel, externalTensor, toAttribute, toTensor } from '../../graph/onnx/decode.js';
import { elementTypeOf } from '../../graph/onnx/element-codes.js';
import { externalPlace } from '../../graph/onnx/external-data.js';
import type { GraphProto, TensorProto, ValueInfoProto } from '../../graph/onnx/onnx_pb.js';
import { TensorProto_DataLocation as DataLocation } from '../../graph/onnx/onnx_pb.js';
import type { Tensor } from '../../tensor.js';
import type { CompileOptions, Port } from '../contract/engine.js';
import { findOp } from './ops/index.js';
import type { Op } from './ops/op.js';

/** One node. An absent optional input has the name ''. */
export interface Step {
  readonly name: string;
  readonly op: string;
  readonly apply: Op;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

export interface Program {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly steps: readonly Step[];
}

/** Reads a model. Errors: TRIB_ENGINE, naming the node, if it is not whole or has an unknown operator. */
export function readProgram(bytes: Uint8Array, weights: OutsideWeights, label: string): Program {
  try {
    const { graph } = decodeModel(bytes, label);
    const constants = new Map<string, Tensor>(
      graph.initializer.map((proto) => [proto.name, constantOf(proto, weights, label)]),
    );
    const steps = graph.node.flatMap((node, index): Step[] => {
      const attributes = Object.fromEntries(
        node.attribute.map((attribute) => [attribute.name, toAttribute(attribute, label)]),
      );
      if (node.opType === 'Constant' && attributes.value?.kind === 'tensor') {
        constants.set(at(node.output, 0), attributes.value.value);
        return [];
      }
      const name = node.name || `${node.opType}_${index}`;
      const domain = node.domain === 'ai.onnx' ? '' : node.domain;
      const apply = findOp(domain, node.opType) ?? unknownOp(domain, node.opType, name);
      return [{ name, op: node.opType, apply, inputs: node.input, outputs: node.output, attributes }];
    });
    return { ...portsOf(graph, constants, label), constants, steps };
  } catch (cause) {
    if (!(cause instanceof TributaryError)) throw cause;
    const text = `${label}: expected a graph that tfjs can run, got "${cause.message}". Check the model with the engine onnxruntime, or export it again.`;
    throw new TributaryError('TRIB_ENGINE', text, { cause });
  }
}

function portsOf(graph: GraphProto, constants: ReadonlyMap<string, Tensor>, label: string) {
  const port = (info: ValueInfoProto): Port => {
    const type = info.type?.value;
    const code = type?.case === 'tensorType' ? type.value.elemType : 0;
    return { name: info.name, type: elementTypeOf(code, `${label} "${info.name}"`), shape: axesOf(info) };
  };
  return {
    inputs: graph.input.filter(({ name }) => !constants.has(name)).map(port),
    outputs: graph.output.map(port),
  };
}

/** Weights outside a model: in memory by the location that it names, otherwise in files of a folder. */
type OutsideWeights = Pick<CompileOptions, 'externalData' | 'weightsFolder'>;

function constantOf(
  proto: TensorProto,
  { externalData, weightsFolder }: OutsideWeights,
  label: string,
): Tensor {
  const where = `${label} initializer "${proto.name}"`;
  if (proto.dataLocation !== DataLocation.EXTERNAL) return toTensor(proto, where);
  const name = proto.externalData.find(({ key }) => key === 'location')?.value;
  const bytes = name === undefined ? undefined : externalData?.get(name);
  if (bytes) return externalTensor(proto, bytes, where);
  if (weightsFolder !== undefined) {
    const { location, start, length } = externalPlace(proto, where);
    return externalTensor(proto, readPart(weightsFolder, location, start, length), where);
  }
  const text = `${where}: expected its data under the name "${name}", got none. Pass it along with the model.`;
  throw new TributaryError('TRIB_MODEL', text);
}

function unknownOp(domain: string, op: string, name: string): never {
  throw new TributaryError(
    'TRIB_ENGINE',
    `${domain === '' ? op : `${domain}.${op}`} "${name}": expected an operator that the engine knows, got another. Export the model with other operators.`,
  );
}
