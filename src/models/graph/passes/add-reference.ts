/**
 * @file A second pass of a model through the graph that holds it already: with other adapter weights, or with none. The
 * weights are the same constants, and what does not depend on the adapter is the same nodes.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Graph, Node, Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';

/**
 * Returns `graph` with a pass of `reference` added. Nodes that would compute what a node of the same name computes already
 * are shared; the others are copied under `<scope>`.
 *
 * Inputs of `reference` that are named in `ownInputs` become inputs `<scope>:<name>`; all others are those of the graph.
 * Outputs are those of the graph, and `<scope>:<name>` for each of the reference.
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
  for (const input of reference.inputs) {
    const own = ownInputs.includes(input.name);
    values.set(
      input.name,
      own ? g.input(`${scope}:${input.name}`, input.type, input.shape) : g.value(input.name),
    );
  }
  for (const [name, tensor] of reference.initializers)
    values.set(name, g.initializers.has(name) ? g.value(name) : g.initializer(name, tensor));
  for (const [name, tensor] of reference.stored)
    values.set(name, graph.stored.has(name) ? g.value(name) : g.stored(name, tensor));
  const inGraph = (value: Value | undefined) => value && (values.get(value.name) ?? value);

  for (const node of reference.nodes) {
    const inputs = node.inputs.map(inGraph);
    const twin = known.get(node.name);
    const outputs = twin && isTwin(twin, node, inputs) ? twin.outputs : copy(g, node, inputs, scope);
    for (const [index, output] of node.outputs.entries()) values.set(output.name, outputs[index] ?? output);
  }
  for (const output of reference.outputs) g.output(inGraph(output) ?? output, `${scope}:${output.name}`);
  return g.build();
}

/** Whether a node of the graph computes what `node` would on these inputs. Names need not be unique in ONNX. */
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
