/** @file A product of two square matrices: what the machine's cores can do at most. */

import { GraphBuilder } from '../dist/models/graph/ops/builder.js';
import * as op from '../dist/models/graph/ops/index.js';

const SIZE = 2048;

/** The graph of one product. */
export function matrixProduct() {
  const g = new GraphBuilder();
  const shape = [SIZE, SIZE];
  g.output(op.matMul(g, g.input('a', 'float32', shape), g.input('b', 'float32', shape)), 'c');
  return g.build();
}
