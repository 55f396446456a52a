/** @file Floating-point operations of a graph's products: two a multiply-add, of convolutions, matrices and attention. */

import { elementCount } from '../dist/models/tensor.js';

/** Sum over the nodes; elementwise work is not counted. */
export function productFlop(graph) {
  return graph.nodes.reduce((sum, node) => sum + nodeFlop(node), 0);
}

function nodeFlop({ op, inputs, outputs }) {
  const [left, right] = inputs;
  switch (op) {
    case 'Conv':
      return 2 * elementCount(outputs[0].shape) * elementCount(right.shape.slice(1));
    case 'ConvTranspose':
      return 2 * elementCount(left.shape) * elementCount(right.shape.slice(1));
    case 'MatMul':
      return 2 * elementCount(outputs[0].shape) * left.shape.at(-1);
    case 'Gemm':
      return (2 * elementCount(left.shape) * elementCount(outputs[0].shape)) / outputs[0].shape[0];
    case 'MultiHeadAttention':
      return 4 * elementCount(left.shape) * right.shape[1];
    default:
      return 0;
  }
}
