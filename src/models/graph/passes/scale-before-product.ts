/** @file Attention scores that half precision can hold. */

import { elementCount } from '../../tensor.js';
import type { Graph, Node, Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import { rewriteGraph } from './rewrite.js';

/**
 * (q kᵀ) · s becomes (q · s) kᵀ, and likewise for a quotient. The scores of attention are scaled down by the root of the size
 * of its heads, and before that may be beyond 65504: Stable Diffusion 2 has such layers, for which diffusers computes
 * attention in single precision (`upcast_attention`). Scaled, they are what the softmax is to see, some tens.
 */
export function scaleBeforeProduct(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node, { producer, uses, current }) => {
    if (node.domain !== '' || (node.op !== 'Mul' && node.op !== 'Div')) return undefined;
    const [scores, scale] = node.inputs;
    const product = producer(scores);
    if (!scores || !scale || !isNumber(g, scale) || product?.op !== 'MatMul' || uses(scores) > 1)
      return undefined;
    const [left, right] = product.inputs.map((input) => input && current(input));
    // Of two stacks of matrices: the products of an adapter are none.
    if (!left || !right || left.shape.length < 3 || left.shape.length !== right.shape.length)
      return undefined;
    return scaled(g, node, product, [left, right, scale]);
  });
}

const isNumber = (g: GraphBuilder, scale: Value) =>
  g.initializers.has(scale.name) && elementCount(scale.shape) === 1 && scale.shape.length <= 3;

function scaled(
  g: GraphBuilder,
  node: Node,
  product: Node,
  [left, right, scale]: [Value, Value, Value],
): Value {
  const [output] = node.outputs as [Value];
  const smaller: Value = { ...left, name: `${output.name}_smaller` };
  g.append({ ...node, name: `${node.name}_before`, inputs: [left, scale], outputs: [smaller] });
  const moved: Value = { ...output, name: `${output.name}_scaled` };
  g.append({ ...product, name: `${product.name}_scaled`, inputs: [smaller, right], outputs: [moved] });
  return moved;
}
