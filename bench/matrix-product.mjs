/** @file A product of two square matrices: what the machine's cores can do at most. */

import { GraphBuilder } from '../dist/models/graph/ops/builder.js';

const SIZE = 2048;

/** The graph of one product. */
export function matrixProduct() {
  const g = new GraphBuilder();
  const shape = [SIZE, SIZE];
  g.output(g.input('a', 'float32', shape).matMul(g.input('b', 'float32', shape)), 'c');
  return g.build();
}
