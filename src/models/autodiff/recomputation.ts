/**
 * @file Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): what a segment of the
 * forward pass has made is thrown away, but for what other segments read, and made again when its gradients are due.
 */

import type { Node, Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { after, hasArrived } from '../graph/passes/arrival.js';

/** The segment that a node belongs to; none for a node whose outputs are kept. */
export type SegmentOf = (node: Node) => string | undefined;

/** The node to differentiate in the place of a node of the forward pass, whose output has the gradient `dy`. */
export type NodeForGradient = (node: Node, dy: Expression) => Node;

/**
 * Appends a second computation of a segment where one of its nodes is first asked for, and answers with the nodes of that
 * one. Its inputs are tied to the gradient that arrives there: a runtime orders nodes by what they wait for, and would make
 * all segments again at once, which keeps everything in memory after all. The tie also keeps them from being merged with the
 * nodes that they repeat.
 */
export function recomputation(
  g: GraphBuilder,
  forward: readonly Node[],
  segmentOf: SegmentOf,
): NodeForGradient {
  const members = new Map<string, Node[]>();
  for (const node of forward) {
    const segment = segmentOf(node);
    if (segment === undefined) continue;
    const known = members.get(segment);
    if (known) known.push(node);
    else members.set(segment, [node]);
  }
  const repeated = new Map<string, ReadonlyMap<string, Node>>();
  return (node, dy) => {
    const segment = segmentOf(node);
    if (segment === undefined) return node;
    let nodes = repeated.get(segment);
    if (!nodes) {
      nodes = g.scoped(`gradient/${segment}`, () => repeat(g, members.get(segment) ?? [], dy));
      repeated.set(segment, nodes);
    }
    return nodes.get(node.name) ?? node;
  };
}

function repeat(g: GraphBuilder, nodes: readonly Node[], dy: Expression): ReadonlyMap<string, Node> {
  const arrived = hasArrived(dy);
  const values = new Map<string, Value>();
  const again = (input: Value): Value => {
    const known = values.get(input.name);
    if (known) return known;
    const tied = g.isConstant(input) ? input : after(arrived, g.expression(input));
    values.set(input.name, tied);
    return tied;
  };
  const copies = new Map<string, Node>();
  for (const node of nodes) {
    const copy = {
      ...node,
      name: `${node.name}_again`,
      forward: node,
      inputs: g.derived(node, () => node.inputs.map((input) => input && again(input))),
      outputs: node.outputs.map((output) => ({ ...output, name: `${output.name}_again` })),
    };
    g.append(copy);
    for (const [index, output] of node.outputs.entries())
      values.set(output.name, copy.outputs[index] ?? output);
    copies.set(node.name, copy);
  }
  return copies;
}
