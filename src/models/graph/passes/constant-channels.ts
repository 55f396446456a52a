/** @file Gives the last channels of an input constants, so that a graph takes only what changes. */

import { at } from '../../../at.js';
import { elementCount, float32 } from '../../tensor.js';
import type { Graph, Node } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { concat } from '../ops/expression.js';

const SCOPE = 'constant_channels';

/**
 * Returns the same function of an input [R, C, H, W] whose last channels are filled with these numbers, one for each: the new
 * graph's input of that name has C - X channels.
 */
export function withConstantChannels(graph: Graph, name: string, numbers: readonly number[]): Graph {
  const whole = graph.inputs.find((input) => input.name === name);
  if (!whole || numbers.length === 0) return graph;
  const [rows = 1, channels = 1, ...plane] = whole.shape;
  const shape = [rows, numbers.length, ...plane];
  const size = elementCount(plane);
  const filled = Float32Array.from({ length: elementCount(shape) }, (_, index) =>
    at(numbers, Math.floor(index / size) % numbers.length),
  );
  const g = new GraphBuilder();
  const joined = g.scoped(SCOPE, () => {
    const taken = g.input(name, 'float32', [rows, channels - numbers.length, ...plane]);
    return concat([taken, g.initializer(`/${SCOPE}/numbers`, float32(filled, shape))], 1);
  });
  g.output(joined, joined.name);
  const { inputs, nodes, initializers } = g.build();
  const value = at(at(nodes, 0).outputs, 0);
  const reads = (node: Node): Node => ({
    ...node,
    inputs: node.inputs.map((input) => (input?.name === name ? value : input)),
  });
  return {
    ...graph,
    inputs: graph.inputs.map((input) => (input === whole ? at(inputs, 0) : input)),
    initializers: new Map([...initializers, ...graph.initializers]),
    nodes: [...nodes, ...graph.nodes.map(reads)],
  };
}
