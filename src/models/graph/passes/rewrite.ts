/** @file Rewrites a whole graph, and puts nodes that do not read each other in an order. */

import type { Graph, Node, Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { concat, type Expression } from '../ops/expression.js';

export interface GraphView {
  /** The node that outputs a value; undefined for inputs and constants. */
  readonly producer: (value: Value | undefined) => Node | undefined;
  /** How many nodes and graph outputs use a value. */
  readonly uses: (value: Value) => number;
  /** The value that replaces an original one, or the original. */
  readonly current: (value: Value) => Value;
}

function viewGraph(graph: Graph, replaced: ReadonlyMap<string, Value>): GraphView {
  const producers = new Map<string, Node>();
  const uses = new Map<string, number>();
  const count = (name: string) => uses.set(name, (uses.get(name) ?? 0) + 1);
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers.set(output.name, node);
    for (const input of node.inputs) if (input) count(input.name);
  }
  for (const output of graph.outputs) count(output.name);
  return {
    producer: (value) => (value ? producers.get(value.name) : undefined),
    uses: (value) => uses.get(value.name) ?? 0,
    current: (value) => replaced.get(value.name) ?? value,
  };
}

/**
 * Rebuilds a graph. `replace` may emit nodes instead of a node and return the value that replaces its first output, or return
 * `undefined` to keep the node. Nodes that nothing uses afterward are dropped.
 */
export function rewriteGraph(
  graph: Graph,
  replace: (g: GraphBuilder, node: Node, view: GraphView) => Value | undefined,
): Graph {
  const replaced = new Map<string, Value>();
  const view = viewGraph(graph, replaced);
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [] });
  for (const node of graph.nodes) {
    const updated = { ...node, inputs: node.inputs.map((input) => input && view.current(input)) };
    const value = g.scoped(node.name.replace(/^\//, ''), () => replace(g, updated, view));
    const [output] = node.outputs;
    if (value && output) replaced.set(output.name, value);
    else g.append(updated);
  }
  for (const output of graph.outputs) g.output(view.current(output), output.name);
  return g.build();
}

/**
 * A condition that is known as soon as all the values are, and no earlier; false if one is NaN. A runtime orders nodes only by
 * what they wait for, so a node that should run later reads its input through such a condition (see `after`).
 */
export function hasArrived(...values: readonly [Expression, ...Expression[]]): Expression {
  const firsts = values.map((value) => value.reshape([-1]).slice({ starts: [0], ends: [1], axes: [0] }));
  const [only] = firsts as [Expression];
  const known = firsts.length === 1 ? only : concat(firsts, 0).reduceMax([0]);
  return known.equal(known);
}

/** Returns the value unchanged, whether the condition is true or false, but not before it is known. */
export const after = (arrived: Expression, value: Expression): Expression => arrived.where(value, value);
