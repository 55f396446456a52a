/** @file The part of a model that some of its outputs depend on. */

import { toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../../errors.js';
import { decodeModel } from './decode.js';
import { ModelProtoSchema, type NodeProto } from './onnx_pb.js';

/**
 * Returns the model with only these outputs, without the nodes, weights and inputs that none of them needs. It works on the
 * ONNX message itself, so it does not have to know any operator.
 *
 * Errors: TRIB_MODEL, naming `where`, if the bytes are not a model, or it lacks one of the outputs.
 */
export function subModel(bytes: Uint8Array, outputs: readonly string[], where: string): Uint8Array {
  const model = decodeModel(bytes, where);
  const { graph } = model;
  const there = graph.output.map(({ name }) => name);
  const missing = outputs.filter((name) => !there.includes(name));
  if (missing.length > 0) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${where} outputs: expected ${missing.join(', ')}, got ${there.join(', ')}. Export it as docs/rewards.md says.`,
    );
  }
  const needed = new Set(outputs);
  // Nodes are in topological order: whatever reads a value comes after the node that makes it.
  const kept = graph.node.toReversed().filter((node) => {
    if (!node.output.some((name) => needed.has(name))) return false;
    for (const name of valuesRead(node)) needed.add(name);
    return true;
  });
  graph.node = kept.toReversed();
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name));
  graph.input = graph.input.filter(({ name }) => needed.has(name));
  graph.output = graph.output.filter(({ name }) => outputs.includes(name));
  return toBinary(ModelProtoSchema, model);
}

/** What a node reads, including inside the branches of control flow. */
function valuesRead(node: NodeProto): string[] {
  const inside = node.attribute.flatMap(({ g, graphs }) => [...(g ? [g] : []), ...graphs]);
  return [
    ...node.input,
    ...inside.flatMap((graph) => [
      ...graph.node.flatMap(valuesRead),
      ...graph.output.map(({ name }) => name),
    ]),
  ];
}
