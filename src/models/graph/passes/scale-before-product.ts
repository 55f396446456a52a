/** @file The scale of attention scores: recognizes it, and moves it so that half precision can hold the scores. */

import { elementCount } from '../../tensor.js';
import type { Graph, Node, Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import { rewriteGraph } from './rewrite.js';

/** A value that is multiplied or divided by a constant number. */
export interface Scale {
  readonly op: 'Mul' | 'Div';
  readonly value: Value;
  readonly number: Value;
  /** Whether the number is the first operand. */
  readonly isReversed: boolean;
}

/** Recognizes x · s, s · x and x / s, where s is a constant with one element; undefined for any other node. */
export function scaleOf(
  node: Node | undefined,
  { initializers }: Pick<Graph, 'initializers'>,
): Scale | undefined {
  if (node?.domain !== '' || (node.op !== 'Mul' && node.op !== 'Div')) return undefined;
  const { op } = node;
  const [left, right] = node.inputs as [Value, Value];
  const isNumber = ({ name, shape }: Value) => initializers.has(name) && elementCount(shape) === 1;
  if (isNumber(right)) return { op, value: left, number: right, isReversed: false };
  return op === 'Mul' && isNumber(left) ? { op, value: right, number: left, isReversed: true } : undefined;
}

/**
 * Turns (q kᵀ) · s into (q · s) kᵀ, and likewise for a quotient. Attention scales its scores down by the root of the size of
 * its heads, and before that they may exceed 65504. Stable Diffusion 2 has such layers, for which diffusers computes attention
 * in single precision (`upcast_attention`). Scaled scores, which the softmax reads, are in the tens.
 */
export function scaleBeforeProduct(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node, { producer, uses, current }) => {
    const scale = scaleOf(node, g);
    if (!scale || scale.isReversed || scale.number.shape.length > 3) return undefined;
    const product = producer(scale.value);
    if (product?.op !== 'MatMul' || uses(scale.value) > 1) return undefined;
    const [left, right] = product.inputs.map((input) => input && current(input));
    // Only products of two stacks of matrices: those of an adapter are not.
    if (!left || !right || left.shape.length < 3 || left.shape.length !== right.shape.length)
      return undefined;
    return scaleLeft(g, node, product, [left, right, scale.number]);
  });
}

function scaleLeft(
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
