/**
 * @file Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): what a segment of the
 * forward pass has computed is thrown away, except what other segments read, and computed again when its gradients are due.
 */

import { at } from '../../at.js';
import type { Node, Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { after, hasArrived } from '../graph/passes/rewrite.js';

/** The segment that a node belongs to; none for a node whose outputs are kept. */
export type SegmentOf = (node: Node) => string | undefined;

/** The node to differentiate in place of a node of the forward pass, whose output has the gradient `dy`. */
type NodeForGradient = (node: Node, dy: Expression) => Node;

/**
 * Repeats a segment when one of its nodes is first asked for, and returns nodes of the repetition. Its inputs wait for the
 * gradient that arrives there: a runtime orders nodes by what they wait for, and would otherwise repeat all segments at once,
 * which keeps everything in memory after all. Waiting also keeps the runtime from merging them with the nodes they repeat.
 */
export function recomputation(
  g: GraphBuilder,
  forward: readonly Node[],
  segmentOf: SegmentOf,
): NodeForGradient {
  const repeated = new Map<string, ReadonlyMap<string, Node>>();
  return (node, dy) => {
    const segment = segmentOf(node);
    if (segment === undefined) return node;
    const members = () => forward.filter((member) => segmentOf(member) === segment);
    const nodes = repeated.get(segment) ?? g.scoped(`gradient/${segment}`, () => repeat(g, members(), dy));
    repeated.set(segment, nodes);
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
    for (const [index, output] of node.outputs.entries()) values.set(output.name, at(copy.outputs, index));
    copies.set(node.name, copy);
  }
  return copies;
}
