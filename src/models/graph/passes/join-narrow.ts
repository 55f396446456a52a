/**
 * @file Products of one value with several narrow matrices, as the first factors of the adapters of queries, keys and values,
 * computed as one: (x A | x B) = x (A | B). Kernels of products compute 16 columns at a time, so the joint product costs as
 * much as one of them, and so do its gradients. It is for inputs of the graph: only what is trained is this narrow.
 */

import { at } from '../../../at.js';
import type { Graph, Node, Value } from '../graph.js';
import { concat, type Expression } from '../ops/expression.js';
import { rewriteGraph } from './rewrite.js';

/** Columns that kernels of products compute at once. */
export const COLUMNS_AT_ONCE = 16;

/** A product of a value with a matrix. */
interface Product {
  readonly name: string;
  readonly matrix: Value;
}

/** Returns the same function. Differentiate it afterward. */
export function joinNarrowProducts(graph: Graph): Graph {
  const groups = groupsOf(graph);
  const products = new Map<string, Expression>();
  return rewriteGraph(graph, (g, node) => {
    const name = at(node.outputs, 0).name;
    const group = groups.get(name);
    if (group) {
      const matrices = group.map(({ matrix }) => g.expression(matrix));
      const x = g.expression(at(node.inputs, 0) as Value);
      const sizes = matrices.map(({ shape }) => at(shape, 1));
      const parts = x.matMul(concat(matrices, 1)).split(sizes, x.shape.length - 1);
      for (const [index, part] of parts.entries()) products.set(at(group, index).name, part);
    }
    return products.get(name);
  });
}

/** Two or more products with the same value that fit into the columns, by the name of the first. */
function groupsOf({ nodes, inputs }: Graph): ReadonlyMap<string, readonly Product[]> {
  const trained = new Set(inputs.map(({ name }) => name));
  const isTrained = ({ op, domain, inputs: [, matrix] }: Node) =>
    op === 'MatMul' && domain === '' && matrix?.shape.length === 2 && trained.has(matrix.name);
  const open = new Map<string, Product[]>();
  const groups: Product[][] = [];
  for (const node of nodes.filter(isTrained)) {
    const [x, matrix] = node.inputs as [Value, Value];
    const product = { name: at(node.outputs, 0).name, matrix };
    const group = open.get(x.name);
    if (group && columnsOf([...group, product]) <= COLUMNS_AT_ONCE) group.push(product);
    else {
      const started = [product];
      open.set(x.name, started);
      groups.push(started);
    }
  }
  return new Map(groups.filter(({ length }) => length > 1).map((group) => [at(group, 0).name, group]));
}

const columnsOf = (products: readonly Product[]): number =>
  products.reduce((sum, { matrix }) => sum + at(matrix.shape, 1), 0);
