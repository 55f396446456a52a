/**
 * @file SiLU, y = x σ(x), as one node of our own with the outputs y and σ(x) while a graph is differentiated. Through the two
 * factors its derivative takes seven passes over the elements, as one node four (autodiff/silu-rule.ts).
 */

import { at } from '../../../at.js';
import type { Graph, Node, Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { DOMAIN } from './attention.js';
import { type GraphView, rewriteGraph } from './rewrite.js';

/** Whether a node is SiLU as `gatherSilu` writes it. */
export const isSilu = ({ domain, op: name }: Node): boolean => domain === DOMAIN && name === 'Silu';

/** Returns the graph with SiLU as single nodes. Call `writeSilu` before running it. */
export function gatherSilu(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node, view) => {
    const x = siluInput(node, view);
    if (!x) return undefined;
    const [output] = node.outputs as [Value];
    const outputs = ['silu', 'gate'].map((name) => ({ ...output, name: `${output.name}_${name}` }));
    const inputs = [view.current(x)];
    g.append({ name: `${node.name}_silu`, op: 'Silu', domain: DOMAIN, inputs, outputs, attributes: {} });
    return outputs[0];
  });
}

/** The x of a product x · sigmoid(x), in either order, whose sigmoid has no other reader; else undefined. */
export function siluInput(node: Node, { producer, uses }: GraphView): Value | undefined {
  if (node.op !== 'Mul' || node.domain !== '') return undefined;
  const [left, right] = node.inputs as [Value, Value];
  return [left, right].find((x) => {
    const gate = x === left ? right : left;
    const sigmoid = producer(gate);
    return sigmoid?.op === 'Sigmoid' && sigmoid.inputs[0]?.name === x.name && uses(gate) === 1;
  });
}

/** Returns the graph with SiLU as operators that engines know. */
export function writeSilu(graph: Graph): Graph {
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [] });
  for (const node of graph.nodes) {
    if (isSilu(node)) write(g, node);
    else g.append(node);
  }
  for (const output of graph.outputs) g.output(output);
  return g.build();
}

function write(g: GraphBuilder, node: Node): void {
  const [x, [y, gate]] = [at(node.inputs, 0), node.outputs as [Value, Value]];
  const rest = { domain: '', attributes: {}, ...(node.forward && { forward: node.forward }) };
  g.append({ ...rest, name: `${node.name}_gate`, op: 'Sigmoid', inputs: [x], outputs: [gate] });
  g.append({ ...rest, name: node.name, op: 'Mul', inputs: [x, gate], outputs: [y] });
}
