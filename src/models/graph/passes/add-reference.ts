/**
 * @file Adds a second pass through a model, with other adapter weights or none, to the graph that already contains it. The two
 * share constants, and the nodes that do not depend on the adapter.
 */

import { isDeepStrictEqual } from 'node:util';
import { at } from '../../../at.js';
import type { Graph, Node, Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';

/**
 * Returns `graph` with the nodes of `reference` added. A node that would compute the same as the graph's node of that name is
 * shared; the others are copied under `<scope>`.
 *
 * Inputs of `reference` named in `ownInputs` become inputs `<scope>:<name>`; the others are those of the graph. Outputs of
 * `reference` become outputs `<scope>:<name>`.
 */
export function addReference(
  graph: Graph,
  reference: Graph,
  scope: string,
  ownInputs: readonly string[] = [],
): Graph {
  const g = GraphBuilder.from(graph);
  const known = new Map(graph.nodes.map((node) => [node.name, node]));
  const values = new Map<string, Value>();
  for (const { name, type, shape } of reference.inputs)
    values.set(name, ownInputs.includes(name) ? g.input(`${scope}:${name}`, type, shape) : g.value(name));
  for (const [name, tensor] of reference.initializers)
    values.set(name, g.initializers.has(name) ? g.value(name) : g.initializer(name, tensor));
  for (const [name, tensor] of reference.stored)
    values.set(name, graph.stored.has(name) ? g.value(name) : g.stored(name, tensor));
  const inGraph = (value: Value) => values.get(value.name) ?? value;

  for (const node of reference.nodes) {
    const inputs = node.inputs.map((input) => input && inGraph(input));
    const twin = known.get(node.name);
    const outputs = twin && isTwin(twin, node, inputs) ? twin.outputs : copy(g, node, inputs, scope);
    for (const [index, output] of node.outputs.entries()) values.set(output.name, at(outputs, index));
  }
  for (const output of reference.outputs) g.output(inGraph(output), `${scope}:${output.name}`);
  return g.build();
}

/** Whether a node of the graph computes the same as `node` would on these inputs. ONNX does not require unique names. */
function isTwin(twin: Node, node: Node, inputs: readonly (Value | undefined)[]): boolean {
  return (
    twin.op === node.op &&
    isDeepStrictEqual(twin.attributes, node.attributes) &&
    twin.inputs.length === inputs.length &&
    twin.inputs.every((input, index) => input?.name === inputs[index]?.name)
  );
}

function copy(
  g: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[],
  scope: string,
): readonly Value[] {
  const outputs = node.outputs.map((output) => ({ ...output, name: `${scope}/${output.name}` }));
  g.append({ ...node, name: `/${scope}/${node.name.replace(/^\//, '')}`, inputs, outputs });
  return outputs;
}
