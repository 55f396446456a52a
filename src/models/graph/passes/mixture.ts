/**
 * @file Mixtures softmax(s) v, as at the end of attention, as one node of our own with the outputs y and p = softmax(s) while a
 * graph is differentiated. Its gradient needs Σ p dp along every row of scores; from y it is Σ dy y, a sum over as many
 * elements as a head has and not as there are keys (autodiff/mixture-rule.ts).
 */

import { at } from '../../../at.js';
import { type Graph, int, intAttribute, type Node, type Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { DOMAIN } from './attention.js';
import { rewriteGraph } from './rewrite.js';

/** Whether a node is a mixture: inputs s [..., n, m] and v [..., m, d], outputs y [..., n, d] and p. */
export const isMixture = ({ domain, op: name }: Node): boolean => domain === DOMAIN && name === 'Mixture';

/** Returns the graph with mixtures as single nodes. Call `writeMixtures` before running it. */
export function gatherMixtures(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node, { producer, uses, current }) => {
    const [weights, values] = node.inputs;
    const softmax = node.op === 'MatMul' && node.domain === '' ? producer(weights) : undefined;
    const scores = softmax?.op === 'Softmax' ? softmax.inputs[0] : undefined;
    if (!softmax || !scores || !weights || !values || uses(weights) > 1) return undefined;
    const isAlongLast = [-1, scores.shape.length - 1].includes(intAttribute(softmax, 'axis', -1));
    const isStack = values.shape.slice(0, -2).join() === scores.shape.slice(0, -2).join();
    // With few keys there is nothing to gain.
    if (!isAlongLast || !isStack || at(values.shape, -2) < at(values.shape, -1)) return undefined;
    const [output] = node.outputs as [Value];
    const outputs = [
      { ...output, name: `${output.name}_mixture` },
      { ...weights, name: `${output.name}_weights` },
    ];
    const inputs = [current(scores), values];
    g.append({ name: node.name, op: 'Mixture', domain: DOMAIN, inputs, outputs, attributes: {} });
    return outputs[0];
  });
}

/** Returns the graph with mixtures as operators that engines know. */
export function writeMixtures(graph: Graph): Graph {
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [] });
  for (const node of graph.nodes) {
    if (isMixture(node)) write(g, node);
    else g.append(node);
  }
  for (const output of graph.outputs) g.output(output);
  return g.build();
}

function write(g: GraphBuilder, node: Node): void {
  const [scores, values] = node.inputs;
  const [output, weights] = node.outputs as [Value, Value];
  const { name, forward } = node;
  const rest = { domain: '', ...(forward && { forward }) };
  const softmax = { ...rest, name: `${name}_softmax`, op: 'Softmax', attributes: { axis: int(-1) } };
  g.append({ ...softmax, inputs: [scores], outputs: [weights] });
  g.append({ ...rest, name, op: 'MatMul', inputs: [weights, values], outputs: [output], attributes: {} });
}
